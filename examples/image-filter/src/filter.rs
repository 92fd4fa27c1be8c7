//! The filters. They compute with integers, and `resize` only with `+ - * /`, so every machine gives the same
//! bytes: functions such as `exp` differ in their last bit between C libraries.

use std::array;
use std::str::FromStr;

use image::imageops::{self, FilterType};
use image::{GrayImage, Rgb, RgbImage};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    Grayscale,
    Invert,
    Blur { radius: u32 },
    Edges,
    Resize { width: u32, height: u32 },
}

impl Filter {
    pub fn apply(self, picture: &RgbImage) -> RgbImage {
        match self {
            Self::Grayscale => rgb(&imageops::grayscale(picture)),
            Self::Invert => invert(picture),
            Self::Blur { radius } => blur(picture, radius),
            Self::Edges => rgb(&edges(&imageops::grayscale(picture))),
            Self::Resize { width, height } => resize(picture, width, height),
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match (name, value) {
            ("grayscale", "") => Ok(Self::Grayscale),
            ("invert", "") => Ok(Self::Invert),
            ("edges", "") => Ok(Self::Edges),
            ("blur", radius) => {
                let radius =
                    number(radius, 1..=100).ok_or("blur takes a radius from 1 to 100, as in blur:2")?;
                Ok(Self::Blur { radius })
            }
            ("resize", size) => size
                .split_once('x')
                .and_then(|(w, h)| Some((number(w, 1..=10_000)?, number(h, 1..=10_000)?)))
                .map(|(width, height)| Self::Resize { width, height })
                .ok_or_else(|| "resize takes two sizes from 1 to 10000, as in resize:320x240".to_owned()),
            _ => Err(format!("unknown filter {text}")),
        }
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn rgb(gray: &GrayImage) -> RgbImage {
    RgbImage::from_fn(gray.width(), gray.height(), |x, y| Rgb([gray.get_pixel(x, y).0[0]; 3]))
}

fn invert(picture: &RgbImage) -> RgbImage {
    let mut picture = picture.clone();
    imageops::invert(&mut picture);
    picture
}

fn resize(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (from_width, from_height) = (u64::from(picture.width()), u64::from(picture.height()));
    let (width, height) = (u64::from(width), u64::from(height));
    // To keep the picture's proportions, use the narrower of the two sides.
    let (width, height) = if width * from_height < height * from_width {
        (width, width * from_height / from_width)
    } else {
        (height * from_width / from_height, height)
    };
    imageops::resize(picture, width.max(1) as u32, height.max(1) as u32, FilterType::CatmullRom)
}

/// Three box blurs in a row look like a Gaussian blur, and each takes the same time for any
/// radius.
fn blur(picture: &RgbImage, radius: u32) -> RgbImage {
    (0..3).fold(picture.clone(), |picture, _| {
        let across = box_blur_rows(&picture, radius);
        let down = box_blur_rows(&transpose(&across), radius);
        transpose(&down)
    })
}

/// Replaces each pixel with the mean of its neighbours up to `radius`; at the ends, the outermost pixel is repeated.
fn box_blur_rows(picture: &RgbImage, radius: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let mut blurred = RgbImage::new(width, height);
    let window = 2 * radius + 1;
    for y in 0..height {
        let at = |x: i64| picture.get_pixel(x.clamp(0, i64::from(width) - 1) as u32, y).0.map(u32::from);
        let reach = i64::from(radius);
        let mut sum = (-reach..=reach).map(at).fold([0; 3], add);
        for x in 0..width {
            blurred.put_pixel(x, y, Rgb(sum.map(|sum| ((sum + radius) / window) as u8)));
            let (entering, leaving) = (at(i64::from(x) + reach + 1), at(i64::from(x) - reach));
            sum = array::from_fn(|channel| sum[channel] + entering[channel] - leaving[channel]);
        }
    }
    blurred
}

fn add(a: [u32; 3], b: [u32; 3]) -> [u32; 3] {
    array::from_fn(|channel| a[channel] + b[channel])
}

fn transpose(picture: &RgbImage) -> RgbImage {
    RgbImage::from_fn(picture.height(), picture.width(), |x, y| *picture.get_pixel(y, x))
}

/// Computes the gradient of the brightness at each pixel (Sobel).
fn edges(gray: &GrayImage) -> GrayImage {
    let (width, height) = gray.dimensions();
    GrayImage::from_fn(width, height, |x, y| {
        let at = |dx: i64, dy: i64| {
            let x = (i64::from(x) + dx).clamp(0, i64::from(width) - 1);
            let y = (i64::from(y) + dy).clamp(0, i64::from(height) - 1);
            i32::from(gray.get_pixel(x as u32, y as u32).0[0])
        };
        let across = (at(1, -1) + 2 * at(1, 0) + at(1, 1)) - (at(-1, -1) + 2 * at(-1, 0) + at(-1, 1));
        let down = (at(-1, 1) + 2 * at(0, 1) + at(1, 1)) - (at(-1, -1) + 2 * at(0, -1) + at(1, -1));
        let steepness = (across * across + down * down).isqrt();
        [steepness.min(255) as u8].into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Black on the left, white on the right.
    fn two_halves() -> RgbImage {
        RgbImage::from_fn(8, 4, |x, _| Rgb([if x < 4 { 0 } else { 255 }; 3]))
    }

    fn row(picture: &RgbImage) -> Vec<u8> {
        picture.rows().next().unwrap().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn names_are_parsed() {
        assert_eq!("grayscale".parse(), Ok(Filter::Grayscale));
        assert_eq!("blur:3".parse(), Ok(Filter::Blur { radius: 3 }));
        assert_eq!("resize:32x16".parse(), Ok(Filter::Resize { width: 32, height: 16 }));
        for wrong in ["", "blur", "blur:0", "blur:x", "resize:32", "resize:0x1", "edges:1"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn edges_are_bright_only_where_the_picture_changes() {
        assert_eq!(row(&Filter::Edges.apply(&two_halves())), [0, 0, 0, 255, 255, 0, 0, 0]);
    }

    #[test]
    fn blur_makes_a_slope_of_an_edge() {
        let blurred = row(&Filter::Blur { radius: 1 }.apply(&two_halves()));
        assert!(blurred.is_sorted());
        assert_eq!((blurred[0], blurred[7]), (0, 255));
        assert!(blurred[3] > 64 && blurred[4] < 192);
    }

    #[test]
    fn blur_leaves_one_color_as_it_is() {
        let plain = RgbImage::from_pixel(5, 3, Rgb([7, 100, 255]));
        assert_eq!(Filter::Blur { radius: 10 }.apply(&plain), plain);
    }

    #[test]
    fn resize_keeps_the_proportions() {
        assert_eq!(Filter::Resize { width: 4, height: 4 }.apply(&two_halves()).dimensions(), (4, 2));
        assert_eq!(Filter::Resize { width: 100, height: 8 }.apply(&two_halves()).dimensions(), (16, 8));
        assert_eq!(Filter::Resize { width: 1, height: 1 }.apply(&two_halves()).dimensions(), (1, 1));
    }

    #[test]
    fn inverting_twice_changes_nothing() {
        let inverted = Filter::Invert.apply(&two_halves());
        assert_eq!(row(&inverted), [255, 255, 255, 255, 0, 0, 0, 0]);
        assert_eq!(Filter::Invert.apply(&inverted), two_halves());
    }
}
