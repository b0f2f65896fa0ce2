//! A copy of the repository, in which something else may be built than in the repository itself.

use crate::steps::output;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The files that Git knows of, as they are now, and no others; also with the time of their last change,
/// by which cargo tells what is to be built.
pub(crate) fn copy_to(root: &Path, tree: &Path) -> Result<()> {
    let files = output(Command::new("git").current_dir(root).args(["ls-files"]))?;
    let files: BTreeSet<&str> = files.lines().filter(|file| root.join(file).is_file()).collect();
    remove_others(tree, tree, &files)?;
    for file in files {
        let (from, to) = (root.join(file), tree.join(file));
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(&from, &to).with_context(|| file.to_owned())?;
        let changed = fs::metadata(&from)?.modified()?;
        fs::File::options().write(true).open(&to)?.set_modified(changed)?;
    }
    Ok(())
}

/// Removes from a folder of the copy what is not among the files.
fn remove_others(tree: &Path, folder: &Path, files: &BTreeSet<&str>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(tree, &path, files)?;
        } else if !path
            .strip_prefix(tree)
            .ok()
            .and_then(Path::to_str)
            .is_some_and(|file| files.contains(file))
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
