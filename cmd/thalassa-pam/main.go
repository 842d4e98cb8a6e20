// Command thalassa-pam answers one question about an account of the system, and ends. It
// asks PAM, which needs root; the agent runs as another user. Question and answer are a JSON
// line each, on standard input and output: a socket that systemd has accepted, or the pipes
// of an agent that is root.
//
//	{"service":"thalassa","user":"ann","password":"…"}   may ann log in?
//	{"service":"thalassa","user":"ann"}                  is ann still allowed to?
//
//	{"user":"ann","groups":["ann","haclient"]}           yes
//	{"wrong":true}                                       there is no such name with that password
//	{"refused":"User account has expired"}               no, and PAM's message
//	{"error":"…"}                                        PAM could not be asked
//
// Only root and the user of --user may ask through a socket. A question has at most 8 KiB,
// and the program ends after 15 seconds, even when a module of PAM hangs.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

const (
	deadline    = 15 * time.Second
	maxQuestion = 8 << 10 // bytes: six for each of a password, which has 1024 at most, and a name
)

func main() {
	var cfg config
	flag.StringVar(&cfg.service, "service", "thalassa", "the `service` of PAM, a file in /etc/pam.d")
	flag.StringVar(&cfg.caller, "user", "", "a `user` who may ask through a socket, beside root")
	flag.StringVar(&cfg.directory, "pam-dir", "", "`directory` of the service; default: that of the system")
	flag.Parse()
	time.AfterFunc(deadline, func() {
		fmt.Fprintln(os.Stderr, "thalassa-pam: no answer within", deadline)
		os.Exit(1)
	})
	if err := run(os.Stdin, os.Stdout, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "thalassa-pam:", err)
		os.Exit(1)
	}
}

type config struct{ service, caller, directory string }

// A question is what the agent asks. Without a password it asks about the account alone.
type question struct {
	Service  string  `json:"service"`
	User     string  `json:"user"`
	Password *string `json:"password"`
}

// An answer has one of its fields; Groups comes with User.
type answer struct {
	User    string   `json:"user,omitempty"` // as PAM calls it
	Groups  []string `json:"groups,omitempty"`
	Wrong   bool     `json:"wrong,omitempty"`
	Refused string   `json:"refused,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// run answers one question.
func run(in *os.File, out io.Writer, cfg config) error {
	if err := checkCaller(in, cfg.caller); err != nil {
		return err
	}
	q, err := read(in)
	if err != nil {
		return err
	}
	if q.Service != cfg.service {
		return json.NewEncoder(out).Encode(answer{Error: "this thalassa-pam asks the service " + cfg.service + " of PAM, and no other one"})
	}
	return json.NewEncoder(out).Encode(ask(q, cfg))
}

// checkCaller refuses other users than root and the named one, if in is a socket.
func checkCaller(in *os.File, name string) error {
	var info syscall.Stat_t
	if err := syscall.Fstat(int(in.Fd()), &info); err != nil {
		return err
	}
	if info.Mode&syscall.S_IFMT != syscall.S_IFSOCK {
		return nil
	}
	peer, err := syscall.GetsockoptUcred(int(in.Fd()), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return fmt.Errorf("who asks is not known: %w", err)
	}
	if peer.Uid == 0 {
		return nil
	}
	if allowed, err := user.Lookup(name); err != nil || allowed.Uid != strconv.Itoa(int(peer.Uid)) {
		return fmt.Errorf("user %d may not ask", peer.Uid)
	}
	return nil
}

// read reads a question.
func read(in io.Reader) (question, error) {
	var q question
	line, err := bufio.NewReader(io.LimitReader(in, maxQuestion)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return q, fmt.Errorf("the question is not a line of at most %d bytes", maxQuestion)
	}
	if err != nil {
		return q, err
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return q, errors.New("the question is not JSON") // the error may have the password
	}
	if !isName(q.User) || !isName(q.Service) {
		return q, errors.New("the question has no valid user and service")
	}
	return q, nil
}

// isName reports whether a text can be a user or a service, and neither an option nor a
// path.
func isName(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '@' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 120 && s[0] != '-' && s[0] != '.'
}
