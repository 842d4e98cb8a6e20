package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readyAtMost is how long systemd waits for the agent to be in step. A Consul that is
	// away keeps no other unit from starting.
	readyAtMost = 10 * time.Second
	// beatsPerWatchdog is how often the agent says that it is alive in the time that
	// systemd gives it.
	beatsPerWatchdog = 4
)

// A systemd tells systemd how the agent is, as sd_notify(3) does. A nil one tells nobody.
type systemd struct {
	conn     *net.UnixConn
	watchdog time.Duration // 0: there is none
	log      *slog.Logger
}

// newSystemd connects to the socket that the environment names; nil: there is none. The
// programs that this one starts do not inherit it.
func newSystemd(log *slog.Logger) *systemd {
	path, limit, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // fails for no name like these
	}
	if path == "" {
		return nil
	}
	s, err := connectSystemd(path, log)
	if err != nil {
		log.Warn("notifying systemd failed", "error", err)
		return nil
	}
	if usec, err := strconv.ParseInt(limit, 10, 64); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	return s
}

// connectSystemd connects to a path, or to an abstract socket: "@" and its name.
func connectSystemd(path string, log *slog.Logger) (*systemd, error) {
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is no path and no abstract socket", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("connecting to NOTIFY_SOCKET: %w", err)
	}
	return &systemd{conn: conn, log: log}, nil
}

// tell sends assignments, one a line. It waits for a second at most.
func (s *systemd) tell(lines ...string) {
	if s == nil {
		return
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = s.conn.Write([]byte(strings.Join(lines, "\n")))
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("notifying systemd failed", "error", err)
	}
}

// reloading says that settings and files are read again, until ready is told.
func (s *systemd) reloading() {
	var now unix.Timespec
	if s == nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	s.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// ready says that the agent serves.
func (s *systemd) ready() { s.tell("READY=1") }

// run says when the agent is ready and that it stops. In between it says that the agent is
// alive, as long as no loop hangs. It returns nil when ctx ends.
func (s *systemd) run(ctx context.Context, inStep <-chan struct{}, hangs func() []string) error {
	if s == nil {
		return nil
	}
	late := time.NewTimer(readyAtMost)
	defer late.Stop()
	select {
	case <-inStep:
	case <-late.C:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		s.ready()
		s.beat(ctx, hangs)
	}
	s.tell("STOPPING=1")
	return nil
}

// beat tells the watchdog that the agent is alive until ctx ends.
func (s *systemd) beat(ctx context.Context, hangs func() []string) {
	if s.watchdog == 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(s.watchdog / beatsPerWatchdog)
	defer tick.Stop()
	for {
		if all := hangs(); len(all) == 0 {
			s.tell("WATCHDOG=1")
		} else {
			s.tell("STATUS=" + strings.ReplaceAll(all[0], "\n", " "))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
