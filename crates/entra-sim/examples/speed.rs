//! How fast the simulator serves: `cargo run --release -p entra-sim --example speed -- 1000000`.

use anyhow::Context as _;
use entra_sim::{Options, Simulator};
use std::time::{Duration, Instant};

const GROUPS: &str =
    "/v1.0/groups/delta?$select=displayName,description,groupTypes,securityEnabled,mailEnabled,members";
const QUERY: &str = "$top=999&$expand=manager($select=id)&$select=id,userPrincipalName,displayName,givenName,surname,\
    mail,mailNickname,accountEnabled,userType,jobTitle,department,companyName,officeLocation,employeeId,employeeType,\
    employeeHireDate,employeeOrgData,businessPhones,mobilePhone,faxNumber,streetAddress,city,state,postalCode,country,\
    usageLocation,preferredLanguage,proxyAddresses,otherMails,imAddresses,creationType,externalUserState,\
    createdDateTime,lastPasswordChangeDateTime,ageGroup,consentProvidedForMinor,legalAgeGroupClassification,\
    onPremisesUserPrincipalName,onPremisesDomainName,onPremisesSamAccountName,onPremisesImmutableId,\
    onPremisesDistinguishedName,onPremisesSecurityIdentifier,onPremisesSyncEnabled";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let users: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |users| users.parse())?;
    // Plain HTTP, but the client wants a provider; an error says that there is one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut options = Options::generate(1, users);
    for tenant in &mut options.tenants {
        tenant.groups = users / 20;
    }
    let start = Instant::now();
    let simulator = Simulator::start(options).await?;
    println!(
        "starting with {} groups: {:.2} s",
        users / 20,
        start.elapsed().as_secs_f64()
    );
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()?;
    let token = token(&http, &simulator).await?;
    let listing = format!("/v1.0/users?{QUERY}");
    report("groups with members", &http, &simulator, &token, (GROUPS, users)).await?;
    report(
        "rendered when asked for",
        &http,
        &simulator,
        &token,
        (&listing, users),
    )
    .await?;
    simulator
        .default_tenant()
        .context("a tenant")?
        .set(|settings| settings.prerender = true);
    let start = Instant::now();
    let link = format!("{{\"link\": \"{listing}\"}}");
    let prerender = http.post(format!("{}/sim/prerender", simulator.url()));
    prerender
        .header("content-type", "application/json")
        .body(link)
        .send()
        .await?
        .error_for_status()?;
    println!("prerendering: {:.2} s", start.elapsed().as_secs_f64());
    report("prerendered", &http, &simulator, &token, (&listing, users)).await
}

async fn token(http: &reqwest::Client, simulator: &Simulator) -> anyhow::Result<String> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "66666666-7777-8888-9999-000000000000"),
        ("client_secret", "demo-secret-value~not-a-guid"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let url = format!("{}/contoso.com/oauth2/v2.0/token", simulator.url());
    let body: serde_json::Value = http.post(url).form(&form).send().await?.json().await?;
    Ok(body["access_token"].as_str().context("a token")?.to_owned())
}

/// Reads everything, page after page, and looks for nothing but the next link.
async fn report(
    what: &str,
    http: &reqwest::Client,
    simulator: &Simulator,
    token: &str,
    (first, users): (&str, u32),
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut link = Some(format!("{}{first}", simulator.url()));
    let mut bytes = 0;
    while let Some(url) = link {
        let body = http
            .get(url)
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        bytes += body.len();
        let head = std::str::from_utf8(body.get(..4_096).unwrap_or(&body)).map_or_else(
            |cut| String::from_utf8_lossy(&body[..cut.valid_up_to()]).into_owned(),
            str::to_owned,
        );
        let next = head
            .split_once("\"@odata.nextLink\":\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        link = next.map(|(next, _)| next.to_owned());
    }
    let seconds = start.elapsed().as_secs_f64();
    let (rate, each) = (f64::from(users) / seconds, bytes / users as usize);
    println!("{what}: {users} users in {seconds:.2} s, {rate:.0} users/s, {each} bytes each");
    Ok(())
}
