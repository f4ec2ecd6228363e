//! Who else may reach what is in the data folder: its modes are all that keeps keys, tokens and words from other users.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// So many are named one by one.
const NAMED_MAX: usize = 8;
const GROUP_AND_OTHERS: u32 = 0o077;

/// Warns of what others than the owner may read, write or enter. It stays as it is: somebody may have wanted it, and the folder
/// may be a volume whose mode is not ours to choose.
pub(super) fn warn_of_others(folder: &Path) {
    let open = open_to_others(folder);
    for (path, mode) in open.iter().take(NAMED_MAX) {
        let path = path.display();
        tracing::warn!(
            %path,
            mode = format_args!("{mode:04o}"),
            "others than its owner may reach this, and with it chats or the keys to them: chmod go-rwx {path}"
        );
    }
    if let Some(more) = open.len().checked_sub(NAMED_MAX + 1) {
        let folder = folder.display();
        tracing::warn!(
            more = more + 1,
            "so may they more in the data folder: chmod -R go-rwx {folder}"
        );
    }
}

/// The folder, what is in it, and what is in its sub-folders, as far as others may reach it, with its mode.
fn open_to_others(folder: &Path) -> Vec<(PathBuf, u32)> {
    let within = entries(folder);
    let log = within.iter().flat_map(|path| entries(path));
    let all = [folder.to_owned()].into_iter();
    let mut open: Vec<_> = all
        .chain(within.iter().cloned())
        .chain(log)
        .filter_map(|path| Some((mode(&path)?, path)))
        .filter(|(mode, _)| mode & GROUP_AND_OTHERS != 0)
        .map(|(mode, path)| (path, mode))
        .collect();
    open.sort_unstable();
    open
}

/// What is in a folder; nothing in what is no folder, or cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn mode(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    Some(file.permissions().mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_reach_is_found_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        let set = |name: &str, mode| {
            let path = folder.join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir(folder.join("log")).unwrap();
        for name in ["secret", "FORMAT", "log/1.seg", "log/2.seg"] {
            fs::write(folder.join(name), "").unwrap();
            set(name, 0o600);
        }
        set("log", 0o700);
        set("", 0o700);
        assert_eq!(open_to_others(folder), []);
        set("", 0o755);
        set("secret", 0o644);
        set("log/2.seg", 0o620);
        assert_eq!(
            open_to_others(folder),
            [
                (folder.join(""), 0o755),
                (folder.join("log/2.seg"), 0o620),
                (folder.join("secret"), 0o644),
            ]
        );
    }
}
