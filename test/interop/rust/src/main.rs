//! Drives rust-spiffe against the Workload API named by SPIFFE_ENDPOINT_SOCKET and prints a JSON line per event.
//!
//! interop x509 | jwt AUDIENCE | watch

use serde_json::{Value, json};
use spiffe::{BundleSource, JwtSource, WorkloadApiClient, X509Source, X509Svid};
use std::error::Error;
use tokio::io::AsyncReadExt;

fn say(event: &str, mut fields: Value) {
    fields["event"] = json!(event);
    println!("{fields}");
}

fn describe(svid: &X509Svid) -> Value {
    json!({"spiffeId": svid.spiffe_id().to_string(), "leafBytes": svid.leaf().as_bytes().len(), "leaf": hash(svid.leaf().as_bytes())})
}

/// Tells two certificates apart without a parser.
fn hash(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    match args[1].as_str() {
        "x509" => {
            let source = X509Source::new().await?;
            let svid = source.svid()?;
            let bundle = source
                .bundle_for_trust_domain(svid.spiffe_id().trust_domain())?
                .ok_or("the bundle is missing")?;
            let mut fields = describe(&svid);
            fields["authorities"] = json!(bundle.authorities().len());
            say("x509", fields);
        }
        "jwt" => {
            let source = JwtSource::new().await?;
            let svid = source.fetch_jwt_svid(&[args[2].as_str()]).await?;
            let client = WorkloadApiClient::connect_env().await?;
            let remote = client.validate_jwt_token(&args[2], svid.token()).await?;
            say("jwt", json!({"spiffeId": svid.spiffe_id().to_string(), "audience": svid.audience(), "validated": remote.spiffe_id().to_string()}));
        }
        "watch" => {
            let source = X509Source::new().await?;
            let mut updates = source.updated();
            say("update", describe(&*source.svid()?));
            let mut stdin = tokio::io::stdin();
            let mut byte = [0u8; 1];
            loop {
                tokio::select! {
                    read = stdin.read(&mut byte) => if read? == 0 { break }, // the test closes it
                    changed = updates.changed() => { changed?; say("update", describe(&*source.svid()?)); }
                }
            }
        }
        other => return Err(format!("unknown mode {other}").into()),
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Err(error) = run(&args).await {
        say("error", json!({"message": error.to_string()}));
        std::process::exit(1);
    }
}
