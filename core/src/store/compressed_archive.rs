//! Archives that are compressed as a whole: `docker save app | gzip`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::Error;
use crate::fs::TemporaryFile;
use crate::limits::Budget;

/// Unpacks a file into a temporary one if it is compressed with gzip, because blobs are read in any order.
pub(super) fn unpacked(
    file: File,
    path: &Path,
    budget: &Budget,
) -> Result<Option<Arc<TemporaryFile>>, Error> {
    let failed = |source| Error::io("read", path)(source);
    let mut file = BufReader::new(file);
    if !file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    let mut gzip = flate2::bufread::MultiGzDecoder::new(file);
    let cannot_write = |source| Error::io("write", &std::env::temp_dir())(source);
    let (mut target, temporary) = TemporaryFile::new().map_err(cannot_write)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        budget.time_left()?;
        let read = gzip.read(&mut buffer).map_err(|error| Error::NotAStore {
            path: path.to_owned(),
            expected: "an OCI archive",
            reason: format!("its gzip is damaged or cut short ({error}); save it again"),
        })?;
        if read == 0 {
            return Ok(Some(Arc::new(temporary)));
        }
        budget.unpack(read as u64)?;
        target.write_all(&buffer[..read]).map_err(cannot_write)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Archive, ArchiveImage, load, write_archive};
    use crate::image::tests::image;
    use crate::image::{Format, Tag};
    use crate::limits::ReadLimits;

    #[tokio::test]
    async fn a_compressed_archive_is_read_within_limits() {
        let (folder, image) = (tempfile::tempdir().unwrap(), image(Format::Universal));
        let (path, tags) = (folder.path().join("app.tar.gz"), [Tag::latest()]);
        write_archive(&path, "app", &[ArchiveImage { image: &image, tags: &tags }]).unwrap();
        let gzip = crate::gzip::gzip(&std::fs::read(&path).unwrap());
        std::fs::write(&path, &gzip).unwrap();
        let archive = Archive::open(&path, ReadLimits::default()).unwrap();
        let loaded = load(&archive, &archive.default_name().unwrap()).await.unwrap();
        // What was loaded outlives the archive.
        drop(archive);
        assert_eq!(loaded.digest(), image.digest());
        assert!(loaded.wasm_manifest().unwrap().module().is_ok());
        let little = ReadLimits { unpacked: 1000, ..ReadLimits::default() };
        let error = Archive::open(&path, little).unwrap_err().to_string();
        assert!(error.contains("--read-limit unpacked"), "{error}");
        std::fs::write(&path, &gzip[..gzip.len() - 9]).unwrap();
        let error = Archive::open(&path, ReadLimits::default()).unwrap_err().to_string();
        assert!(error.contains("cut short"), "{error}");
    }
}
