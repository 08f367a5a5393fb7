//! Ids as OpenAI spells them: a prefix that names the kind, then hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not the id of a {kind}: it should look like `{prefix}…`")]
pub struct BadId {
    given: String,
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id; ids that are made later sort later.
            pub fn mint() -> Self {
                Self(format!("{}{}", $prefix, uuid::Uuid::now_v7().simple()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// An id that says whose part it is, and is the same each time.
            pub fn part(&self, name: impl fmt::Display) -> Self {
                Self(format!("{}-{name}", self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(given: &str) -> Result<Self, BadId> {
                let rest = given.strip_prefix($prefix).unwrap_or("");
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                if rest.is_empty() || rest.len() > 128 || !rest.chars().all(plain) {
                    let given = given.chars().take(80).collect();
                    return Err(BadId { given, kind: $kind, prefix: $prefix });
                }
                Ok(Self(given.to_owned()))
            }
        }
    };
}

id!(
    /// One response: `resp_…`.
    ResponseId, "response", "resp_"
);
id!(
    /// Pairs a call with its output: `call_…`.
    CallId, "call", "call_"
);

/// An item of a response. Its prefix names the item's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(String);

impl ItemId {
    pub fn message() -> Self {
        Self::mint("msg_")
    }

    pub fn reasoning() -> Self {
        Self::mint("rs_")
    }

    pub fn function_call() -> Self {
        Self::mint("fc_")
    }

    pub fn function_call_output() -> Self {
        Self::mint("fco_")
    }

    pub fn custom_tool_call() -> Self {
        Self::mint("ctc_")
    }

    pub fn code_interpreter() -> Self {
        Self::mint("ci_")
    }

    pub fn compaction() -> Self {
        Self::mint("cmp_")
    }

    pub fn file_search() -> Self {
        Self::mint("fs_")
    }

    pub fn web_search() -> Self {
        Self::mint("ws_")
    }

    pub fn image_generation() -> Self {
        Self::mint("ig_")
    }

    pub fn shell_call() -> Self {
        Self::mint("sh_")
    }

    pub fn shell_call_output() -> Self {
        Self::mint("sho_")
    }

    pub fn apply_patch_call() -> Self {
        Self::mint("apc_")
    }

    pub fn apply_patch_call_output() -> Self {
        Self::mint("apco_")
    }

    pub fn mcp_call() -> Self {
        Self::mint("mcp_")
    }

    pub fn mcp_list_tools() -> Self {
        Self::mint("mcpl_")
    }

    pub fn mcp_approval_request() -> Self {
        Self::mint("mcpr_")
    }

    fn mint(prefix: &str) -> Self {
        Self(format!("{prefix}{}", uuid::Uuid::now_v7().simple()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
