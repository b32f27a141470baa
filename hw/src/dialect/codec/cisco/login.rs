//! Prompts and credentials: what is sent when the console asks who is there.
//!
//! A prompt has no line end, so it is looked for in the line that has begun. The password is sent only
//! to a password prompt that follows our own user's name: at another one it would become somebody's
//! user name, which is shown and logged.

use crate::probe::Login;

use super::query::EMPTY_LINE;

/// The login's course.
#[derive(Debug)]
pub(super) struct Gate {
    login: Option<Login>,
    user_sent: bool,
    password_sent: bool,
}

/// What a prompt leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// These bytes answer it.
    Send(Vec<u8>),
    /// We are not let in.
    Refused,
}

impl Gate {
    pub(super) fn new(login: Option<Login>) -> Self {
        Self {
            login,
            user_sent: false,
            password_sent: false,
        }
    }

    /// True when there is somebody to log in.
    pub(super) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Answers the prompt in the line that has begun, if it is one.
    pub(super) fn prompted(&mut self, partial: &[u8]) -> Option<Step> {
        match prompt(partial)? {
            Prompt::User => Some(self.asked_for_user()),
            Prompt::Password => Some(self.asked_for_password()),
        }
    }

    /// `Login incorrect`: meant is our login only when it was ours that was tried.
    pub(super) fn incorrect(&self) -> bool {
        self.password_sent || self.login.is_none()
    }

    fn asked_for_user(&mut self) -> Step {
        match &self.login {
            Some(login) if !self.password_sent => {
                self.user_sent = true;
                Step::Send(format!("{}\r\n", one_line(&login.user)).into_bytes())
            }
            _ => Step::Refused,
        }
    }

    fn asked_for_password(&mut self) -> Step {
        match &self.login {
            // A name that was not ours stands before this prompt: get back to the question for the name.
            Some(_) if !self.user_sent => Step::Send(EMPTY_LINE.as_bytes().to_vec()),
            Some(login) if !self.password_sent => {
                self.password_sent = true;
                Step::Send(format!("{}\r\n", one_line(login.password.reveal())).into_bytes())
            }
            _ => Step::Refused,
        }
    }
}

enum Prompt {
    User,
    Password,
}

/// Whether the line that has begun is a prompt.
pub(super) fn is_prompt(partial: &[u8]) -> bool {
    prompt(partial).is_some()
}

fn prompt(partial: &[u8]) -> Option<Prompt> {
    let partial = String::from_utf8_lossy(partial).trim_end().to_ascii_lowercase();
    if partial.ends_with("login:") && !partial.ends_with("last login:") || partial.ends_with("username:") {
        return Some(Prompt::User);
    }
    partial.ends_with("password:").then_some(Prompt::Password)
}

/// The first line of a credential: what comes after an end of line would be taken for a command.
fn one_line(text: &str) -> &str {
    text.split(char::is_control).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Secret;

    fn gate() -> Gate {
        Gate::new(Some(Login {
            user: "probe\nxCommand Dial".to_owned(),
            password: Secret::new("s3cret\r\nbye".to_owned()),
        }))
    }

    fn send(text: &str) -> Option<Step> {
        Some(Step::Send(text.as_bytes().to_vec()))
    }

    #[test]
    fn name_then_password_each_once_and_one_line_each() {
        let mut gate = gate();
        assert_eq!(gate.prompted(b"codec lo"), None);
        assert_eq!(gate.prompted(b"codec login: "), send("probe\r\n"));
        assert_eq!(gate.prompted(b"Password: "), send("s3cret\r\n"));
        assert_eq!(gate.prompted(b"codec login: "), Some(Step::Refused));
    }

    #[test]
    fn the_password_follows_our_own_name_only() {
        let mut gate = gate();
        assert_eq!(gate.prompted(b"Password: "), send("\r\n"));
        assert!(!gate.incorrect());
        assert_eq!(gate.prompted(b"login:"), send("probe\r\n"));
    }

    #[test]
    fn nobody_to_log_in() {
        assert_eq!(Gate::new(None).prompted(b"login: "), Some(Step::Refused));
        assert_eq!(Gate::new(None).prompted(b"Password: "), Some(Step::Refused));
        assert_eq!(Gate::new(None).prompted(b"Last login: "), None);
    }
}
