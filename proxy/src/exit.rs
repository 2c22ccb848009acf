//! Exit codes of the binary `prism`: one for each kind of failure that a script handles differently.

use std::fmt::Write;
use std::process::ExitCode;

use prism_wire::channel::Fault;
use prism_wire::status::Decoded;
use tonic::Code;

/// The kind of a command's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did what it says.
    Done = 0,
    /// A failure of no other kind.
    Failed = 1,
    /// The command line, the configuration or an argument is invalid.
    Usage = 2,
    /// The server or its database is unavailable, overloaded, or did not respond in time.
    Unavailable = 3,
    /// An item or a record that was asked for does not exist.
    NotFound = 4,
    /// A precondition does not hold.
    PreconditionFailed = 5,
    /// An item was not written, since it has seen an equal or higher priority token.
    Superseded = 6,
    /// The bearer token is missing or wrong, or does not permit the call.
    NotPermitted = 7,
}

impl Exit {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unavailable,
        Self::NotFound,
        Self::PreconditionFailed,
        Self::Superseded,
        Self::NotPermitted,
    ];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, in a few words.
    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Failed => "any other failure",
            Self::Usage => "invalid command line, configuration or argument (INVALID_ARGUMENT)",
            Self::Unavailable => "server unavailable, overloaded, or past its deadline: try again",
            Self::NotFound => "no such item or record (get, ls)",
            Self::PreconditionFailed => "a precondition does not hold (--if)",
            Self::Superseded => "not written: an equal or higher priority token was there before (put)",
            Self::NotPermitted => "the bearer token is missing, wrong, or does not permit it",
        }
    }

    /// The section of `prism --help` that lists them.
    pub(crate) fn help() -> String {
        let mut text = "Exit codes:".to_owned();
        for exit in Self::ALL {
            write!(text, "\n  {}  {}", exit.code(), exit.meaning()).expect("writing to a String cannot fail");
        }
        text
    }

    /// The kind of a call's failure.
    pub(crate) fn of_status(status: &Decoded) -> Self {
        match status.code {
            // The connection works only after a change of the command line or of a certificate.
            Code::Unavailable if is_permanent(Fault::read(&status.message)) => Self::Failed,
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Self::Unavailable,
            Code::InvalidArgument => Self::Usage,
            Code::NotFound => Self::NotFound,
            Code::FailedPrecondition => Self::PreconditionFailed,
            Code::Unauthenticated | Code::PermissionDenied => Self::NotPermitted,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::AlreadyExists
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Self::Failed,
        }
    }

    /// The kind of a failure to connect.
    pub(crate) fn of_connection(fault: Option<Fault>) -> Self {
        if is_permanent(fault) { Self::Failed } else { Self::Unavailable }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Whether a fault of the connection stays until the command line, a certificate or a clock is changed.
fn is_permanent(fault: Option<Fault>) -> bool {
    fault.is_some_and(|fault| match fault {
        Fault::SpeaksTls
        | Fault::SpeaksPlain
        | Fault::SpeaksHttp1
        | Fault::EndsHandshake
        | Fault::NoHttp2
        | Fault::UnknownAuthority
        | Fault::WrongName
        | Fault::Expired
        | Fault::NotYetValid
        | Fault::RequiresCertificate
        | Fault::RejectsCertificate
        | Fault::EndsUnanswered => true,
        Fault::Silent => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_kind_that_tells_what_to_do_next() {
        let exit =
            |code, message: &str| Exit::of_status(&Decoded::from_status(&tonic::Status::new(code, message)));
        assert_eq!(exit(Code::ResourceExhausted, ""), Exit::Unavailable);
        assert_eq!(exit(Code::DeadlineExceeded, ""), Exit::Unavailable);
        assert_eq!(exit(Code::Unavailable, ""), Exit::Unavailable);
        assert_eq!(exit(Code::Unavailable, "invalid peer certificate: UnknownIssuer"), Exit::Failed);
        assert_eq!(exit(Code::Unimplemented, ""), Exit::Failed);
        assert_eq!(exit(Code::Internal, ""), Exit::Failed);
    }

    #[test]
    fn the_help_lists_every_code_once_and_in_order() {
        let help = Exit::help();
        let codes: Vec<_> = help.lines().skip(1).map(|line| line[2..3].parse::<u8>().unwrap()).collect();
        assert_eq!(codes, Exit::ALL.map(Exit::code));
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
