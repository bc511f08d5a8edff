//! The console's own files, inside the program. Their address changes with their content, so browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::respond::Problem;
use crate::fault::Fault;

const STYLE: &str = include_str!("../../assets/console.css");
const SCRIPT: &str = include_str!("../../assets/console.js");
const ICON: &str = include_str!("../../assets/icon.svg");

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new()
        .chain_update(STYLE)
        .chain_update(SCRIPT)
        .chain_update(ICON)
        .finalize();
    URL_SAFE_NO_PAD.encode(&digest[..9])
});

/// Where a page finds the files.
pub struct Links {
    version: &'static str,
}

impl Links {
    /// The file's address.
    pub fn to(&self, name: &str) -> String {
        format!("/assets/{}/{name}", self.version)
    }
}

/// Where pages find the files.
pub fn links() -> Links {
    Links { version: &VERSION }
}

/// One file, whatever version is asked for: a page of another copy of this service may name its own.
pub async fn asset(Path((version, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let (kind, content) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "console.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => {
            return Err(Fault::NotFound {
                what: "file",
                name,
                hint: String::new(),
            }
            .into());
        }
    };
    let keep = if version == *VERSION {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    Ok((
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)],
        content,
    )
        .into_response())
}
