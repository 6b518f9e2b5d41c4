//! What is redacted, and what redacting never does.
//!
//! Every secret is made while the test runs: no text in this repository looks like one.

use hybridx_core::secrets::{MARKER, Policy, redact};
use proptest::prelude::*;

/// Characters of a token: `count` of those in `alphabet`, different for each `seed`.
fn token(alphabet: &str, count: usize, seed: u64) -> String {
    let letters = alphabet.as_bytes();
    // SplitMix64: enough to look random.
    let mut state = seed;
    let next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        letters[usize::try_from((mixed ^ (mixed >> 31)) % letters.len() as u64).expect("small")]
    };
    std::iter::repeat_with(next).take(count).map(char::from).collect()
}

const BASE62: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &str = "0123456789abcdef";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn private_key(seed: u64, lines: usize) -> String {
    let body: String =
        (0..lines as u64).map(|line| token(BASE64, 64, seed ^ (line << 32)) + "\n").collect();
    format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----")
}

/// A secret and a piece of source it stands in.
fn planted(kind: u8, seed: u64) -> (String, String) {
    match kind % 12 {
        0 => {
            let secret = format!("AKIA{}", token(BASE32, 16, seed));
            (secret.clone(), format!("aws_access_key_id = {secret}\n"))
        }
        1 => {
            let secret = format!("ghp_{}", token(BASE62, 36, seed));
            (secret.clone(), format!("const token = '{secret}';\n"))
        }
        2 => {
            let secret = format!("sk_live_{}", token(BASE62, 24, seed));
            (secret.clone(), format!("stripe.api_key = \"{secret}\"\n"))
        }
        3 => {
            let secret = private_key(seed, 12);
            (secret.clone(), format!("KEY = \"\"\"{secret}\n\"\"\"\n"))
        }
        4 => {
            let secret = token(BASE62, 14, seed);
            (secret.clone(), format!("url = \"postgres://app:{secret}@db.internal:5432/app\"\n"))
        }
        5 => {
            let secret = token(BASE62, 32, seed);
            (secret.clone(), format!("    \"client_secret\": \"{secret}\",\n"))
        }
        6 => {
            let secret = token(HEX, 40, seed);
            (secret.clone(), format!("API_KEY={secret}\n"))
        }
        7 => {
            let secret = token(BASE64, 40, seed);
            (secret.clone(), format!("aws_secret_access_key = {secret}\n"))
        }
        8 => {
            let secret = format!("{}!7x", token(BASE62, 9, seed));
            (secret.clone(), format!("password: '{secret}' # of the database\n"))
        }
        9 => {
            let secret = format!("npm_{}", token(BASE62, 36, seed));
            (secret.clone(), format!("//registry.npmjs.org/:_authToken={secret}\n"))
        }
        10 => {
            let secret = token(BASE62, 40, seed);
            (secret.clone(), format!("curl -H 'Authorization: Bearer {secret}' https://x.io\n"))
        }
        _ => {
            let part = |count, place: u64| token(BASE62, count, seed ^ (place << 40));
            let secret = format!("eyJ{}.eyJ{}.{}", part(30, 1), part(60, 2), part(43, 3));
            (secret.clone(), format!("// {secret}\n"))
        }
    }
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// What holds for every text.
fn check(path: &str, text: &str) -> String {
    let once = redact(path, text);
    assert_eq!(lines(&once.text), lines(text), "the number of lines changed");
    assert!(once.findings.iter().all(|f| f.line >= 1 && f.line as usize <= lines(text) + 1));
    let twice = redact(path, &once.text);
    assert_eq!(twice.findings, [], "something is left in {:?}", once.text);
    assert_eq!(twice.text, once.text);
    assert_eq!(once.findings.is_empty(), once.text == text);
    once.text.into_owned()
}

const PATHS: [&str; 8] =
    ["a.py", "a.js", "settings.yml", "app.properties", "README.md", "x.go", "Dockerfile", "a.tf"];

#[test]
fn every_kind_of_secret_is_redacted_wherever_it_stands() {
    for seed in 0..200_u64 {
        for kind in 0..12 {
            let (secret, source) = planted(kind, seed * 31 + 7);
            let path = match kind {
                9 => ".npmrc",
                _ if seed % 2 == 0 => "settings.yml",
                _ => "app.properties",
            };
            let text = format!("import os\n{source}\ndef f():\n    return 1\n");
            let redacted = check(path, &text);
            for line in secret.lines().filter(|line| !line.starts_with("-----")) {
                assert!(!redacted.contains(line), "kind {kind}, seed {seed}: {redacted}");
            }
            assert!(redacted.contains("def f():\n    return 1\n"), "{redacted}");
        }
    }
}

#[test]
fn the_line_of_a_finding_is_the_one_it_begins_in() {
    let key = private_key(3, 5);
    let (secret, source) = planted(1, 4);
    let text = format!("a\nb\n{key}\nc\n{source}");
    let redacted = redact("x.py", &text);
    let found: Vec<_> = redacted.findings.iter().map(|f| (f.line, f.rule)).collect();
    assert_eq!(found, [(3, "private-key"), (11, "github-pat")]);
    assert_eq!(redacted.text.lines().nth(9), Some("c"));
    assert!(!redacted.text.contains(&secret));
}

#[test]
fn a_marker_tells_nothing_of_the_secret() {
    for (short, long) in [(24, 60), (16, 90)] {
        let text = |count| format!("secret_key = \"{}\"\n", token(BASE62, count, 5));
        let redacted = redact("a.py", &text(short)).text.into_owned();
        assert_eq!(redacted, redact("a.py", &text(long)).text);
        assert_eq!(redacted, format!("secret_key = \"{MARKER}\"\n"));
    }
}

#[test]
fn ordinary_code_is_left_alone() {
    for text in [
        "token = self.next_token()\n",
        "password = os.environ['DATABASE_PASSWORD']\n",
        "def check(password, token=None, api_key=\"\"):\n    return password == self.password\n",
        "let key: &str = \"content-type\";\n",
        "PASSWORD_HASHERS = [\"django.contrib.auth.hashers.PBKDF2PasswordHasher\"]\n",
        "url = f\"https://{user}:{password}@{host}/\"\n",
        "// https://user:password@example.com/path\n",
        "password: ${DB_PASSWORD}\n",
        "api_key: {{ .Values.apiKey }}\n",
        "HEADER = \"-----BEGIN PRIVATE KEY-----\"\n\ndef read(f):\n    return f.read().split(HEADER)\n",
        "access_token_lifetime_seconds = 3600\n",
        "sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n",
        "next_token_id = \"5f2b3c4d5e6f7a8b9c0d1e2f\"\n",
        "Enter your password: \n",
        ".commit_pass2 = xlog_recover_attri_commit_pass2_items,\n",
        "    t.pass(\"tests/run-pass1/*.rs\");\n",
        "names = [\"HTTPPasswordMgr\", \"HTTPPasswordMgrWithDefaultRealm\", \"Sha256Passwd\"]\n",
        "__all__ = ['passwd', 'X509_info_st', 'darwin_natural_t']\n",
        "check_tokenize(\"0xdeadc0de & 12345\", 1)\n",
        "page_token = \"bcd2f1b8-9a78-44d3-8a7a-4dd07d7cf635\"\n",
        "{\"NextContinuationToken\": \"1w41l63U0xa8q7smH50vCxyTQqdxo69O3EmK28\"}\n",
        "{\"PasswordLastUsed\": \"2016-09-08T21:47:36Z\"}\n",
        "unitKey = \"heightOfGeoidAboveWGS84Units\"\n",
        "public_key = \"mGXdurU1c8lXt5cmpbGq4rWvrOvDXxkwI9gbkP5CBBjpyGWuB8vkgz\"\n",
        "engine = create_engine(\"mysql://scott:tiger@localhost/test\")\n",
        "u = 'https://git:my_password@github.com/a/b'\n",
        "remaining in their places; pass `strict=False2` to change that\n",
        "tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJ0ekNDQVY2Z0F3SUJBZ0lVQ2pO\n",
    ] {
        for path in PATHS {
            assert_eq!(redact(path, text).findings, [], "{path}: {text}");
        }
    }
}

/// Base64 of a text, as a kubeconfig has it.
fn base64(text: &str) -> String {
    let digit = |six: u32| {
        char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[six as usize & 63],
        )
    };
    text.as_bytes()
        .chunks(3)
        .flat_map(|bytes| {
            let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - bytes.len()));
            [18, 12, 6, 0].map(|shift| digit(bits >> shift)).into_iter().take(bytes.len() + 1)
        })
        .collect()
}

#[test]
fn a_private_key_that_is_encoded_once_more_is_redacted() {
    let whole = base64(&private_key(5, 12));
    let folded = |width: usize, before: &str| {
        let lines: Vec<&str> = whole
            .as_bytes()
            .chunks(width)
            .map(|line| str::from_utf8(line).expect("ASCII"))
            .collect();
        lines.join(before)
    };
    for (path, text) in [
        ("config", format!("user:\n  client-key-data: {whole}\n  name: one\n")),
        ("values.yaml", format!("key: |\n    {}\nname: one\n", folded(76, "\n    "))),
        ("a.json", format!("{{\"key\": \"{whole}\",\n \"a\": 1}}\nname: one\n")),
        ("a.txt", format!("{}\r\n\r\nname: one\n", folded(64, "\r\n"))),
    ] {
        let redacted = check(path, &text);
        assert!(!redacted.contains(&whole[90..110]), "{redacted}");
        assert!(!redacted.contains(&whole[whole.len() - 20..]), "{redacted}");
        assert!(redacted.contains("name: one"), "{redacted}");
    }
}

#[test]
fn passwords_are_found_in_the_ways_that_tools_take_them() {
    let password = token(BASE62, 11, 3) + "!42";
    for (path, before, after) in [
        ("Dockerfile", "FROM x\nENV DB_PASSWORD ", "\n"),
        ("run.sh", "mysql -u root -p", " app\n"),
        ("run.sh", "mysqldump --host h -p'", "' app\n"),
        ("run.sh", "sshpass -p '", "' ssh host\n"),
        ("ci.yml", "- run: docker login -u me -p ", " registry.io\n"),
        ("run.sh", "curl -u me:", " https://api.internal\n"),
        ("run.sh", "export DB_PASS=", "\n"),
        ("run.bat", "setx DB_PASSWORD ", "\r\n"),
        ("hosts", "db1 ansible_become_pass=", "\n"),
        ("a.properties", "mail.password:", "\n"),
        ("a.sql", "CREATE USER app WITH PASSWORD '", "';\n"),
        ("a.sql", "ALTER USER app IDENTIFIED BY '", "';\n"),
        ("a.rs", "let password = String::from(\"", "\");\n"),
        ("a.ps1", "$password = ConvertTo-SecureString '", "' -AsPlainText\n"),
        ("build.gradle", "storePassword \"", "\"\n"),
        ("README.md", "Use password `", "` for the administrator.\n"),
        ("a.java", "DriverManager.getConnection(url, \"app\", \"", "\");\n"),
        ("a.tf", "variable \"db_password\" {\n  type = string\n  default = \"", "\"\n}\n"),
        ("a.json", "\"cache:6379,ssl=True,password=", ",abort=False\"\n"),
    ] {
        let redacted = check(path, &format!("{before}{password}{after}"));
        assert_eq!(redacted, format!("{before}{MARKER}{after}"), "{path}");
    }
}

#[test]
fn the_values_of_a_kubernetes_secret_go_and_its_keys_stay() {
    let value = token(BASE64, 12, 9);
    let text = format!(
        "kind: ConfigMap\ndata:\n  a: {value}\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: \
         db\ndata:\n  user: {value}\n  tls: |\n    {value}\n    {value}\ntype: Opaque\n"
    );
    let redacted = check("k8s/db.yaml", &text);
    assert_eq!(redacted.matches(&value).count(), 1, "{redacted}");
    assert!(redacted.contains("  user: [redacted]\n  tls: |\n    [redacted]\n"), "{redacted}");
    assert!(redacted.contains("type: Opaque") && redacted.contains("name: db"), "{redacted}");
    assert_eq!(redact("k8s/db.txt", &text).findings, []);
}

#[test]
fn a_key_without_its_last_line_and_one_on_a_single_line_are_redacted() {
    let whole = private_key(17, 10);
    let body: Vec<&str> = whole.lines().skip(1).take(10).collect();
    let cut = whole.rsplit_once("\n-----END").expect("an end").0;
    let in_json = format!("{{\"private_key\": \"{}\\n\"}}\n", whole.replace('\n', "\\n"));
    for text in [format!("{cut}\n\nand so on, in words\n"), in_json] {
        let redacted = check("a.json", &text);
        assert!(body.iter().all(|line| !redacted.contains(line)), "{redacted}");
        assert!(text.starts_with('{') || redacted.contains("and so on, in words"), "{redacted}");
    }
}

#[test]
fn a_file_that_is_allowed_is_stored_as_it_is() {
    let (_, source) = planted(1, 8);
    let allow = ["tests/**/*.py".to_owned(), "/certs/".to_owned(), "!tests/real.py".to_owned()];
    let policy = Policy::new(true, &allow).expect("patterns");
    assert_eq!(policy.redact("tests/a/b.py", &source).text, source);
    assert_ne!(policy.redact("tests/real.py", &source).text, source);
    assert_ne!(policy.redact("src/a.py", &source).text, source);
    assert_eq!(policy.sensitive("certs/a.pem"), None);
    assert!(policy.sensitive("other/a.pem").is_some());
    let off = Policy::new(false, &[]).expect("no patterns");
    assert_eq!((off.sensitive(".env"), &*off.redact("a.py", &source).text), (None, &*source));
    let wrong = Policy::new(true, &["[z-a]".to_owned()]).expect_err("no pattern");
    assert!(wrong.to_string().contains("secrets_allow"), "{wrong}");
}

#[test]
fn looking_for_secrets_takes_time_in_proportion_to_the_text() {
    // Every keyword of every rule, over and over, and one token that never ends.
    let rules = include_str!("../rules/betterleaks.rules");
    let keywords =
        rules.lines().filter_map(|line| line.strip_prefix("keywords ")).collect::<Vec<_>>();
    let every = keywords.join(" ");
    let key = base64("-----BEGIN PRIVATE KEY-----\n") + "\n";
    for text in [every.repeat(60), "eyJ".repeat(100_000), "token=".repeat(50_000), key.repeat(5000)]
    {
        let start = std::time::Instant::now();
        check("a.py", &text);
        assert!(start.elapsed().as_secs() < 20, "{} bytes took {:?}", text.len(), start.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn redacting_keeps_lines_and_leaves_nothing(
        pieces in prop::collection::vec(
            prop_oneof![
                3 => (any::<u8>(), any::<u64>()).prop_map(|(kind, seed)| planted(kind, seed).1),
                2 => "[ -~\n\t]{0,60}",
                1 => "\\PC{0,30}",
                1 => Just("secret_token: '".to_owned()),
                1 => Just("\r\n".to_owned()),
                1 => Just(MARKER.to_owned()),
                1 => Just("-----BEGIN PRIVATE KEY-----".to_owned()),
                1 => Just("kind: Secret\ndata:\n  ".to_owned()),
                1 => Just("é".to_owned()),
            ],
            0..12,
        ),
        path in prop::sample::select(PATHS.to_vec()),
    ) {
        check(path, &pieces.concat());
    }

    #[test]
    fn any_text_at_all_can_be_looked_through(text in any::<String>()) {
        check("a.yaml", &text);
    }
}
