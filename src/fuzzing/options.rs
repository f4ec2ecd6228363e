//! Configuration, and what receivers of pushes answer.

use std::time::Duration;

use super::text;
use crate::clock::Wall;
use crate::config;
use crate::push::{Answer, Verdict, classify, retry_after};

const DAY: Duration = Duration::from_secs(86_400);

/// Configuration: it is refused with the line at fault, or what `config show` prints of it means the same again.
pub fn config(bytes: &[u8]) {
    let Some(file) = text(bytes) else { return };
    match config::load_text(file) {
        Ok(loaded) => {
            let shown = loaded.show();
            if shown.contains("hidden") {
                return;
            }
            match config::load_text(&shown) {
                Ok(again) => assert!(again.config == loaded.config, "shown otherwise than meant"),
                Err(invalid) => panic!("what is shown is refused: {invalid}"),
            }
        }
        Err(invalid) => {
            let told = invalid.to_string();
            assert!(!told.is_empty());
        }
    }
}

/// Answers of receivers: a status and a `Retry-After` never mean a wait of more than a day, and only a 2xx is a success.
pub fn answer(bytes: &[u8]) {
    let (code, value) = bytes.split_first_chunk::<2>().unwrap_or((&[0; 2], bytes));
    let code = u16::from_le_bytes(*code);
    let asked = text(value).and_then(|value| retry_after(value, Wall(1_700_000_000_000)));
    assert!(asked.is_none_or(|wait| wait <= DAY));
    let answer = Answer::Status {
        code,
        retry_after: asked,
    };
    let verdict = classify(answer);
    assert_eq!(verdict == Verdict::Delivered, (200..300).contains(&code));
    if let Verdict::RetryLater { retry_after } = verdict {
        assert_eq!(retry_after, asked);
    }
    assert!(answer.reason().len() + answer.label().len() < 32);
}
