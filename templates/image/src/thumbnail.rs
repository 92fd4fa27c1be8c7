//! The processing of pictures.

use image::DynamicImage;

/// The style of the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// The maximum length of a side, in pixels.
    pub size: u32,
    /// In shades of gray.
    pub grayscale: bool,
}

/// Returns the picture in this style. It keeps its proportions, and a smaller one isn't enlarged.
pub fn thumbnail(picture: DynamicImage, style: Style) -> DynamicImage {
    let is_small = picture.width().max(picture.height()) <= style.size;
    let picture = match is_small {
        true => picture,
        false => picture.thumbnail(style.size, style.size),
    };
    match style.grayscale {
        true => picture.grayscale(),
        false => picture,
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// An orange picture of this size.
    fn picture(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_pixel(width, height, Rgb([255, 128, 0])).into()
    }

    fn size_of(picture: DynamicImage, size: u32) -> (u32, u32) {
        let style = Style {
            size,
            grayscale: false,
        };
        let picture = thumbnail(picture, style);
        (picture.width(), picture.height())
    }

    #[test]
    fn the_longer_side_decides() {
        assert_eq!(size_of(picture(40, 20), 10), (10, 5));
        assert_eq!(size_of(picture(20, 40), 10), (5, 10));
    }

    #[test]
    fn what_is_small_stays_so() {
        assert_eq!(size_of(picture(4, 2), 10), (4, 2));
    }

    #[test]
    fn colors_stay_unless_gray_is_asked_for() {
        let style = |grayscale| Style { size: 4, grayscale };
        let color = thumbnail(picture(8, 8), style(false)).into_rgb8();
        assert_eq!(color.get_pixel(1, 1), &Rgb([255, 128, 0]));
        let Rgb([red, green, blue]) = *thumbnail(picture(8, 8), style(true))
            .into_rgb8()
            .get_pixel(1, 1);
        assert!(red == green && green == blue);
    }
}
