//! `config check` and `config print`: whether the settings are right, and what they are.

use pandaflow::settings::{Settings, SettingsErrors, Source};

/// What a command says, and the code that the process exits with. With code 0 the text goes to standard output, else to
/// standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whole lines.
    pub text: String,
    /// 0, or 2 where a setting is wrong.
    pub exit_code: u8,
}

/// Says whether the settings are right, and everything that is wrong with them.
#[must_use]
pub fn check(settings: &Result<Settings, SettingsErrors>) -> Answer {
    answer(settings, |settings| {
        let all = settings.in_force();
        let set = all.iter().filter(|one| one.source != Source::Default).count();
        format!("The settings are right: {} in all, {set} of them set.\n", all.len())
    })
}

/// Every variable with its value in force and where it came from, as a `.env` file has it; secrets are hidden.
#[must_use]
pub fn print(settings: &Result<Settings, SettingsErrors>) -> Answer {
    answer(settings, Settings::print)
}

fn answer(settings: &Result<Settings, SettingsErrors>, say: impl Fn(&Settings) -> String) -> Answer {
    match settings {
        Ok(settings) => Answer {
            text: say(settings),
            exit_code: 0,
        },
        Err(errors) => Answer {
            text: format!("{errors}\n"),
            exit_code: 2,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_settings_are_counted_and_printed() {
        let settings = Settings::load([("HEALTH__TIMEOUT", "2s")], "");
        let all = settings.as_ref().unwrap().in_force().len();
        let checked = check(&settings);
        assert_eq!(checked.text, format!("The settings are right: {all} in all, 1 of them set.\n"));
        assert_eq!(checked.exit_code, 0);
        let printed = print(&settings);
        assert_eq!((printed.text.lines().count(), printed.exit_code), (all, 0));
        let line = printed.text.lines().find(|line| line.starts_with("HEALTH__TIMEOUT")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["HEALTH__TIMEOUT=2s", "#", "environment"]);
    }

    #[test]
    fn wrong_settings_are_listed_with_exit_code_2() {
        let settings = Settings::load([("API__BIND", "x"), ("HEALTH__TIMOUT", "1s")], "");
        for answer in [check(&settings), print(&settings)] {
            assert_eq!(answer.exit_code, 2);
            assert_eq!(answer.text.lines().count(), 2);
            assert!(answer.text.starts_with("API__BIND = \"x\": "));
        }
    }
}
