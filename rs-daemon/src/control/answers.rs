//! Answers that are put together from several parts of [`crate::runtime`]; all else is answered
//! with the runtime's own types. Nothing in here holds a secret.

use serde::{Deserialize, Serialize};

use crate::runtime::status::{DaemonStatus, RouteServerStatus, RpkiSourceStatus};

/// `rsctl status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// The process.
    #[serde(flatten)]
    pub daemon: DaemonStatus,
    /// Each route server.
    pub route_servers: Vec<RouteServerStatus>,
    /// RPKI in short.
    pub rpki: RpkiAnswer,
}

/// `rsctl rpki`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RpkiAnswer {
    /// VRPs in force.
    pub vrps: u64,
    /// ASPA records in force.
    pub aspas: u64,
    /// Caches by preference, and files.
    pub sources: Vec<RpkiSourceStatus>,
}

/// Something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What.
    pub message: String,
}

/// A text: a policy, a configuration, an as-set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its text.
    pub text: String,
    /// What the text says, as data, where there is such a form.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<serde_json::Value>,
}

impl Document {
    /// A text that is only a text.
    #[must_use]
    pub fn of(text: String) -> Self {
        Self { text, data: None }
    }
}
