//! A file of which a page is not what was written: named, and nothing of it is served.

use super::*;
use crate::{ListFilter, Reader, StoreError, Stored};
use std::path::Path;

/// Bytes of a page, SQLite's own number.
const PAGE: usize = 4096;

/// What a reader finds in the file at `path`: each row, or why nothing can be asked, if it is a record
/// at all.
async fn read(path: &Path) -> Result<Vec<Result<Stored, StoreError>>, Option<StoreError>> {
    let url = format!("sqlite://{}", path.display());
    let reader = Reader::open(&url).await.map_err(|_| None)?;
    let mut filter = ListFilter { limit: ListFilter::LONGEST_PAGE, ..ListFilter::default() };
    let mut rows = Vec::new();
    loop {
        let page = reader.each(&filter).await.map_err(Some)?;
        let Some((last, _)) = page.last() else { break };
        filter.before = Some(*last);
        rows.extend(page.into_iter().map(|(_, row)| row));
    }
    reader.close().await;
    Ok(rows)
}

/// How many things are wrong with the pages of the file at `path`, unless not even that can be asked.
async fn damaged_pages(path: &Path) -> Option<usize> {
    let url = format!("sqlite://{}", path.display());
    let reader = Reader::open(&url).await.ok()?;
    let told = reader.damaged_pages().await.map(|pages| pages.len());
    reader.close().await;
    told.ok()
}

/// Bytes are overwritten at the beginning, in the middle and at the end of each page in turn.
#[tokio::test]
async fn whatever_page_is_damaged_nothing_else_than_what_was_written_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.sqlite");
    let url = format!("sqlite://{}", whole.display());
    let store = Store::open(&url).await.expect("opens");
    let mut desk = Desk::of(&store);
    desk.record((1..=40).map(simple).collect()).await;
    for number in 1..=20 {
        desk.record(vec![trail(master(number), 0, "first")]).await;
        desk.record(vec![end(master(number), FinalState::Completed)]).await;
    }
    store.close().await;
    assert_eq!(damaged_pages(&whole).await, Some(0));
    let written: Vec<Stored> =
        read(&whole).await.expect("read").into_iter().map(|row| row.expect("whole")).collect();
    assert_eq!(written.len(), 40);
    let bytes = std::fs::read(&whole).expect("a file");
    let damaged = folder.path().join("damaged.sqlite");
    let (mut refused, mut asked_in_vain, mut rows_named, mut pages_named) = (0, 0, 0, 0);
    for page in 0..bytes.len() / PAGE {
        for at in [0, PAGE / 2, PAGE - 64] {
            let at = page * PAGE + at;
            let mut bytes = bytes.clone();
            for byte in &mut bytes[at..at + 16] {
                *byte ^= 0xa5;
            }
            std::fs::write(&damaged, bytes).expect("a copy");
            match read(&damaged).await {
                Err(None) => refused += 1,
                Err(Some(StoreError::Damaged { .. })) => asked_in_vain += 1,
                Err(Some(other)) => panic!("{other}"),
                Ok(rows) => {
                    for row in rows {
                        match row {
                            Ok(row) => assert!(written.contains(&row), "served: {row:?}"),
                            Err(StoreError::Corrupt { .. }) => rows_named += 1,
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            }
            pages_named +=
                usize::from(damaged_pages(&damaged).await.is_some_and(|pages| pages > 0));
        }
    }
    // Each way of being found out happens, or this would be no test of it.
    let found_out = [refused, asked_in_vain, rows_named, pages_named];
    assert!(found_out.iter().all(|times| *times > 0), "{found_out:?}");
}
