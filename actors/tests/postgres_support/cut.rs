//! A way to the server that can be cut right after a commit went out and before its answer came back.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Passes bytes on in both directions.
pub(crate) struct Way {
    pub(crate) address: String,
    cut_commit: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

impl Way {
    /// To the server of this URL; [`Way::address`] is the URL by which it is reached through here.
    pub(crate) fn to(server: &str) -> Self {
        let (credentials, place) = server.rsplit_once('@').expect("the URL has credentials");
        let (host, database) = place.split_once('/').expect("the URL names a database");
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let address = format!("{credentials}@127.0.0.1:{port}/{database}");
        let (cut_commit, cuts) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (cutting, counting, host) = (Arc::clone(&cut_commit), Arc::clone(&cuts), host.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&host) else { continue };
                pass(client, server, &cutting, &counting);
            }
        });
        Self { address, cut_commit, cuts }
    }

    /// Cuts the connection on which the next commit goes out: the server gets it, and its answer is lost.
    pub(crate) fn cut_next_commit(&self) {
        self.cut_commit.store(true, Ordering::SeqCst);
    }

    /// How often it was cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn pass(client: TcpStream, server: TcpStream, cutting: &Arc<AtomicBool>, cuts: &Arc<AtomicUsize>) {
    let (mut from_client, mut to_server) = (clone(&client), clone(&server));
    let (mut from_server, mut to_client) = (server, client);
    let deaf = Arc::new(AtomicBool::new(false));
    let (cutting, cuts, going_deaf) = (Arc::clone(cutting), Arc::clone(cuts), Arc::clone(&deaf));
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(read @ 1..) = from_client.read(&mut bytes) {
            // With its end: a transaction that begins says READ COMMITTED.
            let commits = bytes[..read].windows(7).any(|word| word == b"COMMIT\0");
            if commits && cutting.swap(false, Ordering::SeqCst) {
                going_deaf.store(true, Ordering::SeqCst);
                cuts.fetch_add(1, Ordering::SeqCst);
            }
            if to_server.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok(read @ 1..) = from_server.read(&mut bytes) {
            // The answer has come, so the commit is done: now the client is cut off.
            if deaf.load(Ordering::SeqCst) || to_client.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a socket can be cloned")
}
