//! Who uses a database, and how that is written in a URL.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// A user with a password and a database, where the test asked for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) user: Option<(String, String)>,
    pub(super) database: Option<String>,
}

impl Account {
    pub(super) fn url(&self, scheme: &str, otherwise: (&str, &str), address: SocketAddr) -> String {
        let (user, database) = otherwise;
        let who = match &self.user {
            Some((user, password)) => format!("{}:{}", escaped(user), escaped(password)),
            None => user.to_owned(),
        };
        let database = escaped(self.database.as_deref().unwrap_or(database));
        format!("{scheme}://{who}@{address}/{database}")
    }
}

/// `text` with everything percent-encoded that means something in a URL.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            done.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(done, "%{byte:02X}");
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn a_url_survives_any_name_and_password() {
        let address = "[::1]:5432".parse().unwrap();
        let mut account = Account::default();
        assert_eq!(account.url("postgres", ("me", "all"), address), "postgres://me@[::1]:5432/all");
        account.user = Some(("a@b".to_owned(), "p/w:1é".to_owned()));
        account.database = Some("my shop".to_owned());
        assert_eq!(
            account.url("mysql", ("me", ""), address),
            "mysql://a%40b:p%2Fw%3A1%C3%A9@[::1]:5432/my%20shop"
        );
    }
}
