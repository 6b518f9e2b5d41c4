//! Files whose name says that they hold secrets: they are never read.
//!
//! Code is not among them, whatever it is called: `secrets.rs`, `key.py` and `password.ts` are
//! indexed, and their text is redacted as any other.

/// Endings of files that are a key, a store of keys or a dump of secrets.
const ENDINGS: [(&str, &str); 28] = [
    ("agekey", "a private key"),
    ("bks", "a keystore"),
    ("cer.key", "a private key"),
    ("jceks", "a keystore"),
    ("jks", "a keystore"),
    ("kdb", "a password database"),
    ("kdbx", "a password database"),
    ("key", "a private key"),
    ("keychain", "a keychain"),
    ("keychain-db", "a keychain"),
    ("keystore", "a keystore"),
    ("keytab", "Kerberos keys"),
    ("kubeconfig", "credentials of a cluster"),
    ("ovpn", "a VPN profile, which holds keys"),
    ("p12", "a keystore"),
    ("p8", "a private key"),
    ("pem", "a key or certificate"),
    ("pfx", "a keystore"),
    ("pk8", "a private key"),
    ("pkcs12", "a keystore"),
    ("ppk", "a private key"),
    ("psafe3", "a password database"),
    ("tfstate", "Terraform's state"),
    ("tfstate.backup", "Terraform's state"),
    ("tfvars", "Terraform's variables"),
    ("tfvars.json", "Terraform's variables"),
    ("truststore", "a keystore"),
    ("env", "an environment file"),
];

/// Whole names.
const NAMES: [(&str, &str); 70] = [
    ("_netrc", "passwords of hosts"),
    (".bash_history", "a shell's history"),
    (".boto", "credentials of a cloud"),
    (".credentials.json", "credentials"),
    (".dockercfg", "credentials of registries"),
    (".dockerconfigjson", "credentials of registries"),
    (".envrc", "an environment file"),
    (".git-credentials", "passwords of hosts"),
    (".htdigest", "digests of passwords"),
    (".htpasswd", "digests of passwords"),
    (".my.cnf", "a database's password"),
    (".mylogin.cnf", "a database's password"),
    (".mysql_history", "a shell's history"),
    (".netrc", "passwords of hosts"),
    (".node_repl_history", "a shell's history"),
    (".passwd-s3fs", "credentials of a cloud"),
    (".pgpass", "a database's password"),
    (".psql_history", "a shell's history"),
    (".pypirc", "passwords of registries"),
    (".python_history", "a shell's history"),
    (".rediscli_history", "a shell's history"),
    (".s3cfg", "credentials of a cloud"),
    (".sh_history", "a shell's history"),
    (".terraformrc", "credentials of a cloud"),
    (".vault-pass", "a vault's password"),
    (".vault-password", "a vault's password"),
    (".vault-token", "a vault's token"),
    (".vault_pass", "a vault's password"),
    (".vault_pass.txt", "a vault's password"),
    (".vault_password", "a vault's password"),
    (".zsh_history", "a shell's history"),
    ("accesstokens.json", "credentials of a cloud"),
    ("application_default_credentials.json", "credentials of a cloud"),
    ("authinfo", "passwords of hosts"),
    (".authinfo", "passwords of hosts"),
    ("client_secret.json", "credentials of a cloud"),
    ("client_secrets.json", "credentials of a cloud"),
    ("credentials.json", "credentials"),
    ("credentials.tfrc.json", "credentials of a cloud"),
    ("gcloud-service-key.json", "credentials of a cloud"),
    ("gshadow", "digests of passwords"),
    ("htdigest", "digests of passwords"),
    ("htpasswd", "digests of passwords"),
    ("id_dsa", "a private key"),
    ("id_ecdsa", "a private key"),
    ("id_ecdsa_sk", "a private key"),
    ("id_ed25519", "a private key"),
    ("id_ed25519_sk", "a private key"),
    ("id_rsa", "a private key"),
    ("id_xmss", "a private key"),
    ("kubeconfig", "credentials of a cluster"),
    ("local.settings.json", "a cloud function's secrets"),
    ("pgpass.conf", "a database's password"),
    ("rclone.conf", "credentials of clouds"),
    ("recentservers.xml", "passwords of hosts"),
    ("secrets.env", "an environment file"),
    ("secrets.ini", "a file of secrets"),
    ("secrets.json", "a file of secrets"),
    ("secrets.properties", "a file of secrets"),
    ("secrets.toml", "a file of secrets"),
    ("secrets.txt", "a file of secrets"),
    ("secrets.yaml", "a file of secrets"),
    ("secrets.yml", "a file of secrets"),
    ("secring.gpg", "a private key"),
    ("serviceaccountkey.json", "credentials of a cloud"),
    ("shadow", "digests of passwords"),
    ("sitemanager.xml", "passwords of hosts"),
    ("terraform.rc", "credentials of a cloud"),
    ("vault_pass.txt", "a vault's password"),
    ("wallet.dat", "a wallet"),
];

/// Files that only hold secrets where they lie: the last folder, and the name in it.
const PLACES: [(&str, &str, &str); 17] = [
    (".aws", "credentials", "credentials of a cloud"),
    (".azure", "azureprofile.json", "credentials of a cloud"),
    (".azure", "msal_token_cache.bin", "credentials of a cloud"),
    (".azure", "msal_token_cache.json", "credentials of a cloud"),
    (".azure", "service_principal_entries.json", "credentials of a cloud"),
    (".bundle", "config", "passwords of registries"),
    (".cargo", "credentials", "tokens of registries"),
    (".cargo", "credentials.toml", "tokens of registries"),
    (".chef", "credentials", "credentials of a server"),
    (".docker", "config.json", "credentials of registries"),
    (".gem", "credentials", "tokens of registries"),
    (".kube", "config", "credentials of a cluster"),
    (".m2", "settings-security.xml", "passwords of registries"),
    (".m2", "settings.xml", "passwords of registries"),
    ("etc", "sudoers", "rights of users"),
    ("gcloud", "credentials.db", "credentials of a cloud"),
    ("gh", "hosts.yml", "tokens of hosts"),
];

/// Beginnings and ends of names of JSON files that clouds hand out.
const JSON_STARTS: [&str; 5] =
    ["client_secret_", "firebase-adminsdk", "service-account", "service_account", "serviceaccount"];
const JSON_ENDS: [&str; 3] =
    ["-service-account.json", "_service_account.json", "-credentials.json"];

/// Parts of a name that say that it is a pattern to be filled in.
const PATTERNS: [&str; 10] = [
    "default", "defaults", "dist", "example", "examples", "sample", "schema", "template", "tmpl",
    "tpl",
];

/// The rule by which the file at `path` is sensitive, as a person reads it; `None` for all others.
pub(super) fn sensitive_name(path: &str) -> Option<&'static str> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut buffer = [0_u8; 64];
    // All names that matter are short and ASCII, but for what stands before an ending.
    let name = lowered(name, &mut buffer)?;
    let rule = environment(name)
        .or_else(|| ending(name))
        .or_else(|| look_up(&NAMES, name))
        .or_else(|| place(folders, name))
        .or_else(|| json(name))?;
    let is_pattern = name.split(['.', '-', '_']).any(|part| PATTERNS.contains(&part));
    // Charts keep the code that makes a secret in a folder of that name.
    let is_template = name.starts_with("secrets.y") && folders.ends_with("templates");
    (!is_pattern && !is_template).then_some(rule)
}

/// The last characters of a name in small letters.
fn lowered<'a>(name: &str, buffer: &'a mut [u8; 64]) -> Option<&'a str> {
    let start = name.ceil_char_boundary(name.len().saturating_sub(buffer.len()));
    let bytes = &name.as_bytes()[start..];
    let lowered = &mut buffer[..bytes.len()];
    lowered.copy_from_slice(bytes);
    lowered.make_ascii_lowercase();
    str::from_utf8(lowered).ok()
}

/// `.env`, `.env.local`, `.dev.vars`, but not code such as `.env.d.ts`.
fn environment(name: &str) -> Option<&'static str> {
    let rest = name.strip_prefix(".env").or_else(|| name.strip_prefix(".dev.vars"))?;
    let end = rest.rsplit_once('.').map_or("", |(_, end)| end);
    let is_code =
        matches!(end, "ts" | "js" | "mjs" | "cjs" | "py" | "rb" | "go" | "rs" | "php" | "md");
    let is_one = rest.is_empty() || rest.starts_with(['.', '-', '_']) || rest == "rc";
    (is_one && !is_code).then_some("an environment file")
}

fn ending(name: &str) -> Option<&'static str> {
    let (stem, end) = name.rsplit_once('.')?;
    // Two endings in one: `terraform.tfstate.backup`.
    let long = stem.rsplit_once('.').map(|(before, _)| &name[before.len() + 1..]);
    look_up(&ENDINGS, end).or_else(|| look_up(&ENDINGS, long?))
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, end)| end)
}

fn look_up(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
}

fn place(folders: &str, name: &str) -> Option<&'static str> {
    let folder = folders.rsplit('/').next().unwrap_or_default();
    // Keys have any name there.
    if folder == ".ssh" {
        let public = ["config", "known_hosts", "known_hosts.old", "authorized_keys", "readme.md"];
        let is_public = public.contains(&name) || extension(name) == Some("pub");
        return (!is_public).then_some("a private key");
    }
    if name.starts_with("ssh_host_") && name.ends_with("_key") {
        return Some("a private key");
    }
    let found = PLACES.iter().find(|(known, file, _)| *known == folder && *file == name);
    found.map(|(_, _, rule)| *rule)
}

fn json(name: &str) -> Option<&'static str> {
    let is_json = extension(name) == Some("json")
        && (JSON_STARTS.iter().any(|start| name.starts_with(start))
            || JSON_ENDS.iter().any(|end| name.ends_with(end)));
    is_json.then_some("credentials of a cloud")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_secrets_are_known_by_their_names() {
        for path in [
            ".env",
            "a/.env.local",
            "a/.ENV",
            "prod.env",
            ".envrc",
            ".dev.vars",
            "id_rsa",
            "x/server.key",
            "cert.PEM",
            "a.p12",
            "a.pfx",
            "a.jks",
            "a.keystore",
            "a.kdbx",
            ".netrc",
            ".pgpass",
            ".pypirc",
            ".git-credentials",
            ".aws/credentials",
            "x/.aws/credentials",
            ".docker/config.json",
            ".kube/config",
            "infra/terraform.tfstate",
            "infra/terraform.tfstate.backup",
            "prod.auto.tfvars",
            "x.tfvars.json",
            ".htpasswd",
            "my-project-service-account.json",
            "service-account.json",
            "client_secret_12.json",
            "config/secrets.yml",
            "config/master.key",
            ".ssh/github",
            "etc/ssh/ssh_host_rsa_key",
            "kubeconfig",
            "a-very-long-name-that-does-not-fit-into-sixty-four-bytes-at-all.naïve.key",
        ] {
            assert!(sensitive_name(path).is_some(), "{path} would be read");
        }
    }

    #[test]
    fn code_and_patterns_to_fill_in_are_indexed() {
        for path in [
            ".env.example",
            ".env.sample",
            ".env.template",
            ".env.local.example",
            "example.env",
            ".env.d.ts",
            "env.py",
            "environment.ts",
            "key.py",
            "keys.rs",
            "secrets.rs",
            "secrets.py",
            "password.ts",
            "credentials.go",
            "pem.rs",
            "id_rsa.pub",
            ".ssh/config",
            ".npmrc",
            "config.json",
            ".kube/cache.go",
            "docker/config.json",
            "templates/secrets.yaml",
            "credentials",
            "terraform.tfvars.example",
            "secret.yaml",
            "tokens.json",
            "netrc.py",
            "keystore.java",
            "monkey",
            "a.keys",
            "locales/en/auth.json",
            "keyboard.key.rs",
        ] {
            assert_eq!(sensitive_name(path), None, "{path} would not be indexed");
        }
    }
}
