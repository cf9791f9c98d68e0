//! The terminal: taken, drawn on, read from, and given back as it was.
//!
//! It is given back when [`Screen`] is dropped, and by a panic of any thread before its message is printed.
//! The keyboard has a thread of its own, since reading it blocks. Nobody waits for that thread: on a terminal that has been
//! hung up crossterm reads for ever, and whoever joined it would stay behind, at full speed, when an ssh session breaks.

use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc::Sender;

use super::no_terminal;
use super::state::{Event, Key};

/// How long the keyboard's thread waits for a key before it looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The terminal, taken.
pub(super) struct Screen {
    /// Left to the end of the process: dropped, it would complain to a terminal that may be gone, and panic over that.
    terminal: ManuallyDrop<DefaultTerminal>,
}

impl Screen {
    /// Takes it: another page, no echo, no cursor.
    pub(super) fn open() -> io::Result<Screen> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen { terminal: ManuallyDrop::new(terminal) }),
            Err(error) => {
                // Some of it may have been done.
                let _ = ratatui::try_restore();
                Err(no_terminal(&error))
            }
        }
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ()).map_err(|error| no_terminal(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Of a terminal that is gone nothing can be given back.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// The keyboard, read by a thread that is told to end with this, and ends with the process.
pub(super) struct Keys {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keys {
    /// Brings every key.
    pub(super) fn read(to: Sender<Event>) -> io::Result<Keys> {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || watch(&over, &to))?;
        Ok(Keys { is_over, thread })
    }

    /// Whether nothing more will come.
    pub(super) fn are_gone(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn watch(is_over: &AtomicBool, to: &Sender<Event>) {
    while !is_over.load(Ordering::Relaxed) {
        let event = match event::poll(LOOK_EVERY) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let events = match event {
            Ok(Input::Key(key)) => meant(key).map(|key| key.map(Event::Key)),
            Ok(Input::Resize(..)) => [Some(Event::Resized), None],
            Ok(_) => [None, None],
            Err(_) => return,
        };
        for event in events.into_iter().flatten() {
            if to.blocking_send(event).is_err() {
                return;
            }
        }
    }
}

/// What a key means here, if anything. A terminal cannot tell escape and a quick letter after it from that letter with
/// the alt key held: it is taken for both.
fn meant(key: KeyEvent) -> [Option<Key>; 2] {
    let has = |modifier| key.modifiers.contains(modifier);
    let meant = match key.code {
        _ if key.kind == KeyEventKind::Release => None,
        KeyCode::Char('c') if has(KeyModifiers::CONTROL) => Some(Key::Break),
        KeyCode::Char(_) if has(KeyModifiers::CONTROL) => None,
        KeyCode::Char(c) => Some(Key::Char(c)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Esc),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::BackTab => Some(Key::BackTab),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Home => Some(Key::Home),
        KeyCode::End => Some(Key::End),
        _ => None,
    };
    if has(KeyModifiers::ALT) && meant.is_some() { [Some(Key::Esc), meant] } else { [meant, None] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set where the test below runs itself.
    const INSIDE: &str = "SEAWALL_TEST_PANICS";

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "it runs itself in a terminal of its own, and knows by a variable that it does"
    )]
    fn a_panic_gives_the_terminal_back_before_its_message_is_printed() {
        let name = "a_panic_gives_the_terminal_back_before_its_message_is_printed";
        if std::env::var_os(INSIDE).is_some() {
            let _screen = Screen::open().unwrap();
            panic!("on purpose");
        }
        let program = std::env::current_exe().unwrap();
        let line = format!(
            "{INSIDE}=1 '{}' --nocapture --exact {}::{name}; stty -a",
            program.display(),
            module_path!().split_once("::").unwrap().1
        );
        let script = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(std::process::Stdio::null())
            .output();
        let said = String::from_utf8(script.expect("script, of util-linux").stdout).unwrap();
        let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text:?} in {said}"));
        let (taken, given_back, told) = (place("\u{1b}[?1049h"), place("\u{1b}[?1049l"), place("on purpose"));
        assert!(taken < given_back && given_back < told, "{said}");
        let settings: Vec<&str> = said[told..].split_whitespace().map(|word| word.trim_end_matches(';')).collect();
        assert!(settings.contains(&"icanon") && settings.contains(&"echo"), "{said}");
        assert!(said.rfind("\u{1b}[?25h") > said.rfind("\u{1b}[?25l"), "there is a cursor: {said:?}");
    }

    #[test]
    fn control_and_c_is_no_letter_and_a_key_let_go_is_none() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(meant(key(KeyCode::Char('c'), KeyModifiers::CONTROL)), [Some(Key::Break), None]);
        assert_eq!(meant(key(KeyCode::Char('c'), KeyModifiers::NONE)), [Some(Key::Char('c')), None]);
        assert_eq!(meant(key(KeyCode::Char('G'), KeyModifiers::SHIFT)), [Some(Key::Char('G')), None]);
        assert_eq!(meant(key(KeyCode::Char('3'), KeyModifiers::ALT)), [Some(Key::Esc), Some(Key::Char('3'))]);
        assert_eq!(meant(key(KeyCode::Char('x'), KeyModifiers::CONTROL)), [None, None]);
        assert_eq!(meant(key(KeyCode::F(1), KeyModifiers::NONE)), [None, None]);
        let gone = KeyEvent { kind: KeyEventKind::Release, ..key(KeyCode::Enter, KeyModifiers::NONE) };
        assert_eq!(meant(gone), [None, None]);
    }
}
