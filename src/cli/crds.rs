//! `certlet crds`: the custom resource definitions, for `kubectl apply -f -` or as files.

use std::path::PathBuf;

use crate::api::crds;

/// Print the custom resource definitions, or write them to files
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CrdsArgs {
    /// Write one file per kind to this directory instead of printing all kinds
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence that names the file that cannot be written.
pub(super) fn run(args: &CrdsArgs) -> Result<(), String> {
    let files = crds::render()?;
    let Some(directory) = &args.output_dir else {
        let documents: Vec<&str> = files.iter().map(|(_, yaml)| yaml.as_str()).collect();
        return super::print_raw(&documents.join("---\n"));
    };
    std::fs::create_dir_all(directory).map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
    for (name, yaml) in files {
        let path = directory.join(name);
        std::fs::write(&path, yaml).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}
