//! How long redb's file has to be.
//!
//! After a crash redb goes by the length that it finds, and ends the process where something that it knows of lay behind that.
//! It makes a file longer, and syncs that, before its first page says so, and shorter only afterwards: a file that is shorter
//! than its first page says was cut, and one that is longer was left by a crash in between.

/// Where the first page has the size of a page; the other numbers follow (redb's `docs/design.md`, "Super-header").
const PAGE_BYTES: usize = 12;
const REGION_HEADER_PAGES: usize = 16;
const REGION_PAGES: usize = 20;
const FULL_REGIONS: usize = 24;
const LAST_REGION_PAGES: usize = 28;

/// Bytes that the file has at least, by its first page; `None` where no file is so long.
pub(super) fn bytes_min(first: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = first.get(at..at + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_le_bytes(bytes)))
    };
    let header = number(REGION_HEADER_PAGES)?;
    let full = number(FULL_REGIONS)?.checked_mul(header + number(REGION_PAGES)?)?;
    let last = match number(LAST_REGION_PAGES)? {
        0 => 0,
        pages => header + pages,
    };
    // The first page itself is in no region.
    let pages = full.checked_add(last)?.checked_add(1)?;
    pages.checked_mul(number(PAGE_BYTES)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of redb's own making: what it says of a file that it has just closed is how long that is.
    #[test]
    fn a_file_that_was_closed_is_as_long_as_its_first_page_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("some.redb");
        let table = redb::TableDefinition::<u64, &[u8]>::new("some");
        for size in [1, 1 << 20, 9 << 20] {
            let database = redb::Database::create(&file).unwrap();
            let write = database.begin_write().unwrap();
            let many = vec![7; size];
            write
                .open_table(table)
                .unwrap()
                .insert(size as u64, many.as_slice())
                .unwrap();
            write.commit().unwrap();
            drop(database);
            let bytes = std::fs::read(&file).unwrap();
            assert_eq!(bytes_min(&bytes), Some(bytes.len() as u64), "{size}");
        }
    }

    #[test]
    fn a_page_of_any_bytes_is_no_panic() {
        assert_eq!(bytes_min(&[0xFF; 4096]), None);
        assert_eq!(bytes_min(&[0; 4096]), Some(0));
        assert_eq!(bytes_min(&[0; 3]), None);
    }
}
