//! Images of Spin applications, which only Spin can start.

use super::{Error, Manifest};

/// Media type of the description of an application: of the configuration, or, from newer versions of Spin, of a layer.
const APPLICATION: &str = "application/vnd.fermyon.spin.application.v1+config";

impl Manifest {
    /// Returns the error for a Spin application where a program is needed: its triggers, variables and files are described in a
    /// way that only Spin knows.
    pub(crate) fn spin_application(&self) -> Option<Error> {
        let mut blobs = self.layers().iter().chain([self.config_blob()]);
        let is_one = |media_type: &str| media_type == APPLICATION;
        blobs.any(|blob| is_one(blob.descriptor().media_type.as_str())).then(|| {
            Error::SpinApplication { media_type: APPLICATION, modules: self.bare_layers().len() }
        })
    }

    pub(super) fn require_no_spin(&self) -> Result<(), Error> {
        self.spin_application().map_or(Ok(()), Err)
    }
}
