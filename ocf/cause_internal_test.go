package ocf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"thalassa/lb"
)

// What HAProxy 2.6 to 3.2 say, and what of it Pacemaker is told first.
func TestCauseInHAProxysOutput(t *testing.T) {
	for output, want := range map[string]string{
		"[ALERT] Binding [/var/lib/thalassa/haproxy.cfg:9] for frontend web: cannot bind socket (Cannot assign requested address) for [10.99.99.5:80]\n[ALERT] [haproxy.main()] Some protocols failed to start their listeners! Exiting.": "cannot bind 10.99.99.5:80: Cannot assign requested address",
		"[ALERT] Binding [/etc/haproxy/haproxy.cfg:9] for frontend web: protocol tcpv4: cannot bind socket (Address already in use) for [10.0.0.5:80]":                                                                                    "cannot bind 10.0.0.5:80: Address already in use",
		"[ALERT] Starting frontend web: cannot bind socket (Permission denied) [0.0.0.0:80]":                                                                                                                                              "cannot bind 0.0.0.0:80: Permission denied",
		"[ALERT] Starting frontend GLOBAL: cannot bind UNIX socket (Permission denied) [/run/thalassa/haproxy.sock]":                                                                                                                      "cannot bind /run/thalassa/haproxy.sock: Permission denied",
		"[ALERT] config : parsing [/a/very/long/path/of/a/configuration/haproxy.cfg:5] : unknown keyword 'frobnicate' in 'frontend' section\n[ALERT] config : Error(s) found":                                                             "unknown keyword 'frobnicate' in 'frontend' section (haproxy.cfg:5)",
		"[ALERT] config : Error(s) found in configuration file : x\n[ALERT] config : Proxy 'web': unable to find required default_backend: 'nope'.":                                                                                       "Proxy 'web': unable to find required default_backend: 'nope'.",
		"[ALERT] config : [/etc/haproxy/haproxy.cfg:7] unable to load SSL certificate":                                                                                                                                                    "unable to load SSL certificate (haproxy.cfg:7)",
		"line 12: bind 10.0.0.5:80: address already in use by another program":                                                                                                                                                            "cannot bind 10.0.0.5:80: address already in use by another program (line 12)",
		"HAProxy runs, but differs from its file: bind 10.0.0.5:80 is missing":                                                                                                                                                            "HAProxy runs, but differs from its file: bind 10.0.0.5:80 is missing",
		"": "",
	} {
		if got := causeIn(output); got != want {
			t.Errorf("%s:\n got %q\nwant %q", output, got, want)
		}
	}
}

func TestCauseOfErrors(t *testing.T) {
	deep := fmt.Errorf("stopping haproxy: asking the master socket /a/very/long/path/to/a/socket/of/somebody: %w", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
	for want, err := range map[string]error{
		"connection refused (stopping haproxy: asking the master socket /a/very/long/path/to/a/socket/of/somebody: dial unix: connect)": deep,
		"no answer in time (asking)":                   fmt.Errorf("asking: %w", context.DeadlineExceeded),
		"permission denied (open /x)":                  &os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES},
		"one sentence":                                 errors.New("one sentence"),
		"two | lines":                                  errors.New("two\nlines"),
		"asking: no such file or directory: look here": fmt.Errorf("asking: %w: look here", syscall.ENOENT),
		"bad word (haproxy.cfg:3)":                     fmt.Errorf("reloading: %w", &lb.RefusedError{Output: "[ALERT] config : parsing [/e/haproxy.cfg:3] : bad word"}),
	} {
		if got := cause(err); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
