//! Attributes of a generated user that say what it does. Each writer returns false, and writes nothing, for a value
//! that was never set.

use super::identifier::below;
use super::names::{COMPANIES, DEPARTMENTS, JOB_TITLES};
use super::person::{Kind, Person, stream};
use crate::json::Json;

const AT: u64 = stream::ATTRIBUTE + 100;

fn member(person: &Person<'_>, at: u64, percent: u32) -> bool {
    person.kind == Kind::Member && person.chance(AT + at, percent)
}

/// The department, which the on-premises distinguished name repeats.
pub fn department_of(person: &Person<'_>) -> Option<&'static str> {
    member(person, 1, 92).then(|| *person.pick::<&str>(AT + 2, &DEPARTMENTS))
}

/// `department`
pub fn department(person: &Person<'_>, json: &mut Json) -> bool {
    let department = department_of(person);
    if let Some(department) = department {
        json.string(department);
    }
    department.is_some()
}

/// `jobTitle`
pub fn job_title(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 3, 88);
    if known {
        json.string(person.pick::<&str>(AT + 4, &JOB_TITLES));
    }
    known
}

/// `companyName`; a guest's is where it comes from.
pub fn company_name(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 5, 85);
    if known {
        json.string(person.pick::<&str>(AT + 6, &COMPANIES));
    }
    known
}

/// `officeLocation`
pub fn office_location(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 7, 70);
    if known {
        json.raw("\"");
        json.number(u64::from(below(person.draw(AT + 8), 40)) + 1, 1);
        json.raw("/");
        json.number(u64::from(below(person.draw(AT + 9), 4_000)) + 1_000, 4);
        json.raw("\"");
    }
    known
}

/// `employeeId`
pub fn employee_id(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 10, 95);
    if known {
        json.raw(if member(person, 11, 8) { "\"X" } else { "\"E" });
        json.number(u64::from(person.slot) + 1, 7);
        json.raw("\"");
    }
    known
}

/// `employeeType`
pub fn employee_type(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 12, 80);
    if known {
        json.raw(match below(person.draw(AT + 11), 100) {
            0..8 => "\"Contractor\"",
            8..12 => "\"Intern\"",
            _ => "\"Employee\"",
        });
    }
    known
}

/// `employeeOrgData`
pub fn employee_org_data(person: &Person<'_>, json: &mut Json) -> bool {
    let known = member(person, 13, 60);
    if known {
        json.raw("{\"costCenter\":\"CC-");
        json.number(u64::from(below(person.draw(AT + 14), 900)) + 100, 3);
        json.raw("\",\"division\":");
        match below(person.draw(AT + 15), 4) {
            0 => json.raw("null"),
            1 => json.raw("\"Europe, Middle East & Africa\""),
            2 => json.raw("\"Américas\""),
            _ => json.raw("\"アジア太平洋\""),
        }
        json.raw("}");
    }
    known
}
