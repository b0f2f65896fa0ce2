//! Who may do what. Roles are a ladder: whoever stands higher may all that those below may. That nobody approves
//! what he proposed himself is not a matter of roles, and is seen to where approvals are.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an operator, or the bearer of a token, is trusted with; from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything that operators see, and changes nothing for anybody else.
    Viewer,
    /// Acknowledges, claims, holds, releases, reconnects and proposes, too.
    Operator,
    /// Approves what another proposed, too.
    Approver,
    /// Decides who the people are and which tokens there are, too.
    Admin,
}

/// What may be allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// See everything that operators see.
    Look,
    /// Acknowledge, claim, hold, release, reconnect, propose.
    Act,
    /// Approve what another proposed.
    Approve,
    /// People and tokens.
    Administer,
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator, approver or admin")]
pub struct NotARole;

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Operator, Role::Approver, Role::Admin];

    /// The role in a word, as it is recorded and configured.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Approver => "approver",
            Role::Admin => "admin",
        }
    }

    /// Whether this role has that permission.
    pub fn may(self, permission: Permission) -> bool {
        self >= permission.least()
    }
}

impl Permission {
    /// All of them, from the least to the most.
    pub const ALL: [Permission; 4] =
        [Permission::Look, Permission::Act, Permission::Approve, Permission::Administer];

    /// The least role that has it.
    pub const fn least(self) -> Role {
        match self {
            Permission::Look => Role::Viewer,
            Permission::Act => Role::Operator,
            Permission::Approve => Role::Approver,
            Permission::Administer => Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = NotARole;
    fn from_str(text: &str) -> Result<Role, NotARole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NotARole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_before_it_may_and_one_thing_more() {
        use Permission::{Act, Administer, Approve, Look};
        for (role, allowed) in [
            (Role::Viewer, &[Look][..]),
            (Role::Operator, &[Look, Act]),
            (Role::Approver, &[Look, Act, Approve]),
            (Role::Admin, &[Look, Act, Approve, Administer]),
        ] {
            for permission in Permission::ALL {
                let may = allowed.contains(&permission);
                assert_eq!(role.may(permission), may, "{role}: {permission:?}");
            }
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written_and_nothing_else_is_one() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            let json = format!("\"{role}\"");
            assert_eq!(serde_json::to_string(&role).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<Role>(&json).expect("a role"), role);
        }
        for bad in ["", "Admin", "ADMIN", "admin ", "root", "viewer,admin"] {
            assert_eq!(bad.parse::<Role>(), Err(NotARole), "{bad:?}");
        }
        assert!(Role::ALL.is_sorted() && Permission::ALL.is_sorted());
    }
}
