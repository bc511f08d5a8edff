//! `kind: Connection`.

use contracts::v1;

use crate::words::{CLOUDS, DELETION_MODES, FIRST_RUNS, LEAVER_ACTIONS, RETURN_ACTIONS};
use crate::yaml::section::Section;

/// Reads the document. What is not written stays unspecified: the defaults are api's.
pub fn read(section: &mut Section<'_>) -> v1::Connection {
    v1::Connection {
        name: section.required("name"),
        tenant_id: section.guid("tenantId"),
        credential: section.required("credential"),
        cloud: section.word("cloud", &CLOUDS).unwrap_or_default().into(),
        login_url: section.text("loginUrl").unwrap_or_default(),
        graph_url: section.text("graphUrl").unwrap_or_default(),
        token_url: section.text("tokenUrl").unwrap_or_default(),
        deletion_mode: section
            .word("deletionMode", &DELETION_MODES)
            .unwrap_or_default()
            .into(),
        leavers: section.section("leavers", leavers),
        brake: section.section("brake", brake),
        first_run: section.word("firstRun", &FIRST_RUNS).unwrap_or_default().into(),
        ..v1::Connection::default()
    }
}

fn leavers(section: &mut Section<'_>) -> v1::LeaverPolicies {
    let mut policy = |cause| section.word(cause, &LEAVER_ACTIONS).unwrap_or_default().into();
    v1::LeaverPolicies {
        disabled: policy("disabled"),
        soft_deleted: policy("softDeleted"),
        gone: policy("gone"),
        out_of_scope: policy("outOfScope"),
        returning: section
            .word("returning", &RETURN_ACTIONS)
            .unwrap_or_default()
            .into(),
    }
}

/// A threshold that is not written keeps its default, so that `brake: { percent: 5 }` means what it says.
fn brake(section: &mut Section<'_>) -> v1::Brake {
    let default = domain::brake::Brake::default();
    v1::Brake {
        percent: section.number("percent").unwrap_or(default.percent),
        count: section.number("count").unwrap_or(default.count),
        from: section.number("from").unwrap_or(default.from),
    }
}
