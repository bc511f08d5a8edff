//! Groups and their members.

use contracts::v1;
use domain::observed_group::{GroupKind, MemberKind};
use store::group_list::{Group, Member};

/// A group.
pub fn group(group: Group) -> v1::Group {
    let members = group.members;
    let counts = [members.users, members.groups, members.devices, members.others];
    v1::Group {
        id: group.id.to_string(),
        connection: group.connection_name,
        name: group.name,
        description: group.description.unwrap_or_default(),
        mail: group.mail.unwrap_or_default(),
        kind: match group.kind {
            None => v1::GroupKind::Unspecified,
            Some(GroupKind::Microsoft365) => v1::GroupKind::Microsoft365,
            Some(GroupKind::Security) => v1::GroupKind::Security,
            Some(GroupKind::MailEnabledSecurity) => v1::GroupKind::MailEnabledSecurity,
            Some(GroupKind::Distribution) => v1::GroupKind::Distribution,
        }
        .into(),
        dynamic: group.dynamic,
        membership_rule: group.membership_rule.unwrap_or_default(),
        visibility: group.visibility.unwrap_or_default(),
        member_count: counts.into_iter().fold(0, u32::saturating_add),
        member_counts: Some(v1::MemberCounts {
            users: members.users,
            groups: members.groups,
            devices: members.devices,
            others: members.others,
        }),
    }
}

/// A member.
pub fn member(member: Member) -> v1::GroupMember {
    v1::GroupMember {
        object_id: member.id.to_string(),
        kind: match member.kind {
            MemberKind::Unknown => v1::MemberKind::Unspecified,
            MemberKind::User => v1::MemberKind::User,
            MemberKind::Group => v1::MemberKind::Group,
            MemberKind::Device => v1::MemberKind::Device,
            MemberKind::ServicePrincipal => v1::MemberKind::ServicePrincipal,
            MemberKind::OrgContact => v1::MemberKind::OrgContact,
        }
        .into(),
        direct: member.direct,
        name: member.name.unwrap_or_default(),
        account_id: member
            .account
            .map(|account| account.to_string())
            .unwrap_or_default(),
    }
}
