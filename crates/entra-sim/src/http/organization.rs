//! `GET /organization` (graph-facts §1.7).

use super::answer::Answer;
use super::error::GraphError;
use super::front::Call;
use serde_json::{Value, json};

/// The tenant's organization, as a list of one.
pub fn list(call: &Call<'_>) -> Answer {
    let context = format!("{}/v1.0/$metadata#organization", call.base);
    Answer::value(&json!({"@odata.context": context, "value": [organization(call)]}))
}

/// The tenant's organization, by its id.
pub fn get(call: &Call<'_>, id: &str) -> Result<Answer, GraphError> {
    if !id.eq_ignore_ascii_case(call.tenant.id()) {
        return Err(GraphError::not_found(id));
    }
    let mut organization = organization(call);
    organization["@odata.context"] = format!("{}/v1.0/$metadata#organization/$entity", call.base).into();
    Ok(Answer::value(&organization))
}

/// With `User.Read.All` alone only id, name and domains are seen; the rest is null.
fn organization(call: &Call<'_>) -> Value {
    let options = &call.tenant.options;
    let full = call
        .roles
        .iter()
        .any(|role| role.starts_with("Organization.") || role.starts_with("Directory."));
    let seen = |value: Value| if full { value } else { Value::Null };
    let domains = options.domains.iter().enumerate().map(|(number, name)| {
        json!({
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": number == 0,
            "isInitial": name.ends_with(".onmicrosoft.com"),
            "name": name,
            "type": "Managed",
        })
    });
    json!({
        "id": options.id,
        "deletedDateTime": null,
        "businessPhones": seen(json!(["425-555-0100"])),
        "city": null,
        "country": null,
        "countryLetterCode": seen("US".into()),
        "createdDateTime": seen("2012-01-01T10:30:06Z".into()),
        "displayName": options.display_name,
        "onPremisesLastSyncDateTime": seen(call.tenant.now().format("%Y-%m-%dT%H:%M:%SZ").to_string().into()),
        "onPremisesSyncEnabled": seen(true.into()),
        "preferredLanguage": seen("en".into()),
        "technicalNotificationMails": seen(json!([format!("admin@{}", options.domains[0])])),
        "tenantType": seen(call.settings.tenant_type.clone().into()),
        "directorySizeQuota": seen(json!({"used": call.tenant.counts().live, "total": 5_000_000})),
        "verifiedDomains": domains.collect::<Vec<_>>(),
    })
}
