package statsock_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

func TestShowProc(t *testing.T) {
	second := time.Second
	for _, test := range []struct {
		file string
		want statsock.Processes
	}{
		{"show-proc-2.6.12.txt", statsock.Processes{
			Master:     statsock.Process{15914, 1, 4 * second, "2.6.12-1+deb12u4"},
			Workers:    []statsock.Process{{16051, 0, second, "2.6.12-1+deb12u4"}},
			OldWorkers: []statsock.Process{{15957, 1, 3 * second, "2.6.12-1+deb12u4"}},
		}},
		{"show-proc-failed-2.6.12.txt", statsock.Processes{
			Master:     statsock.Process{15914, 2, 5 * second, "2.6.12-1+deb12u4"},
			Workers:    []statsock.Process{{16051, 1, 2 * second, "2.6.12-1+deb12u4"}},
			OldWorkers: []statsock.Process{{15957, 2, 4 * second, "2.6.12-1+deb12u4"}},
			Failed:     1,
		}},
		{"show-proc-3.0.11.txt", statsock.Processes{
			Master:     statsock.Process{16144, 1, 3 * second, "3.0.11-1+deb13u3"},
			Workers:    []statsock.Process{{16343, 0, second, "3.0.11-1+deb13u3"}},
			OldWorkers: []statsock.Process{{16157, 1, 3 * second, "3.0.11-1+deb13u3"}},
		}},
		{"show-proc-failed-3.2.26.txt", statsock.Processes{
			Master: statsock.Process{16510, 2, 4 * second, "3.2.26-1"},
			OldWorkers: []statsock.Process{
				{16771, 1, 2 * second, "3.2.26-1"}, {16536, 2, 4 * second, "3.2.26-1"},
			},
			Failed: 1,
		}},
	} {
		s := say(t, string(fixture(t, test.file)))
		got, err := statsock.NewMaster(s.path).ShowProc(t.Context())
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if !equal(got, test.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", test.file, got, test.want)
		}
		if lines := s.asked(); len(lines) != 1 || lines[0] != "show proc\n" {
			t.Errorf("%s: the master was asked %q", test.file, lines)
		}
	}
}

func TestShowProcSkipsPrograms(t *testing.T) {
	text := `#<PID>          <type>          <reloads>       <uptime>        <version>
5               master          12 [failed: 3]  40d23h59m58s    2.9-dev1
# workers
# programs
77              echo            1               0d00h00m01s     -
# old programs
78              echo            2               0d00h00m01s     -

`
	got, err := statsock.ParseProcesses(text)
	want := statsock.Processes{
		Master: statsock.Process{5, 12, 40*24*time.Hour + 23*time.Hour + 59*time.Minute + 58*time.Second, "2.9-dev1"},
		Failed: 3,
	}
	if err != nil || !equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestShowProcRefusesOtherText(t *testing.T) {
	head := "#<PID> <type> <reloads> <uptime> <version>\n"
	for _, text := range []string{
		"",
		"\n",
		"Unknown command: 'show', but maybe one of the following ones is a better match:\n",
		"Permission denied\n",
		head,
		head + "1 master 0 [failed: 0] 0d00h00m00s\n",
		head + "x master 0 [failed: 0] 0d00h00m00s 2.6\n",
		head + "-1 master 0 [failed: 0] 0d00h00m00s 2.6\n",
		head + "1 master x [failed: 0] 0d00h00m00s 2.6\n",
		head + "1 master 0 [failed: x] 0d00h00m00s 2.6\n",
		head + "1 master 0 [failed: 0 0d00h00m00s 2.6\n",
		head + "1 master 0 [failed: 0] 00h00m00s 2.6\n",
		head + "1 master 0 [failed: 0] 0dsoon 2.6\n",
	} {
		if got, err := statsock.ParseProcesses(text); err == nil {
			t.Errorf("%q gave %+v", text, got)
		}
	}
}

func TestReload(t *testing.T) {
	for _, test := range []struct {
		file       string
		conclusive bool
		success    bool
		words      string
	}{
		{file: "reload-2.6.12.txt"},
		{file: "reload-failed-2.6.12.txt"},
		{"reload-3.0.11.txt", true, true, "New worker (16343) forked"},
		{"reload-failed-3.0.11.txt", true, false, "unknown keyword 'garbage'"},
		{"reload-3.2.26.txt", true, true, "Initializing new worker (16771)"},
		{"reload-failed-3.2.26.txt", true, false, "Failed to load worker (16916)"},
	} {
		s := say(t, string(fixture(t, test.file)))
		got, err := statsock.NewMaster(s.path).Reload(t.Context())
		if err != nil || got.Conclusive != test.conclusive || got.Success != test.success || !strings.Contains(got.Log, test.words) {
			t.Errorf("%s: %+v, %v", test.file, got, err)
		}
		if strings.HasPrefix(got.Log, "--") || got.Log != strings.TrimSpace(got.Log) {
			t.Errorf("%s: log %q is not trimmed", test.file, got.Log)
		}
	}
}

func TestReloadThatBreaksOffConcludesNothing(t *testing.T) {
	whole := string(fixture(t, "reload-failed-3.0.11.txt"))
	for cut := range len(whole) {
		got, err := statsock.ParseReload(whole[:cut])
		if got.Conclusive || got.Success || got.Log != "" {
			t.Errorf("cut after %d bytes: %+v, %v", cut, got, err)
		}
	}
}

// TestReloadOfAMasterThatIsGone: one that executes itself anew closes its
// connections, whether it has read the command or not.
func TestReloadOfAMasterThatIsGone(t *testing.T) {
	path := filepath.Join(testkit.SocketDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for range 20 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for range 20 {
		if got, err := statsock.NewMaster(path).Reload(t.Context()); err != nil || got.Conclusive {
			t.Errorf("%+v, %v", got, err)
		}
	}
	<-accepted
}

// TestReloadDuringAnother: the master's refusal says nothing about the
// configuration.
func TestReloadDuringAnother(t *testing.T) {
	s := say(t, "Success=0\n--\nAnother reload is still in progress.\n\n")
	got, err := statsock.NewMaster(s.path).Reload(t.Context())
	if err != nil || got.Conclusive || got.Log != "Another reload is still in progress." {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReloadTellsRefusalsAndDeadlines(t *testing.T) {
	s := say(t, "Permission denied\n\n")
	if _, err := statsock.NewMaster(s.path).Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("got %v, want HAProxy's words", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := statsock.NewMaster(hang(t).path).Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestWorkerIsAddressedByPID(t *testing.T) {
	s := say(t, string(fixture(t, "show-info-2.6.12.txt")))
	if _, err := statsock.NewMaster(s.path).Worker(4711).ShowInfo(t.Context()); err != nil {
		t.Error(err)
	}
	if lines := s.asked(); len(lines) != 1 || lines[0] != "@!4711 show info\n" {
		t.Errorf("the master was asked %q", lines)
	}
	s = serve(t, func(conn net.Conn, _ string) { // HAProxy 3.0 leaves the connection open
		_, _ = conn.Write([]byte("Can't find the target PID matching the prefix '@!1'\n"))
		_, _ = io.Copy(io.Discard, conn)
	})
	if _, err := statsock.NewMaster(s.path).Worker(1).Do(t.Context(), "show info"); err == nil || !strings.Contains(err.Error(), "target PID") {
		t.Errorf("a worker that is gone: %v", err)
	}
}

func equal(a, b statsock.Processes) bool {
	if a.Master != b.Master || a.Failed != b.Failed || len(a.Workers) != len(b.Workers) || len(a.OldWorkers) != len(b.OldWorkers) {
		return false
	}
	for i := range a.Workers {
		if a.Workers[i] != b.Workers[i] {
			return false
		}
	}
	for i := range a.OldWorkers {
		if a.OldWorkers[i] != b.OldWorkers[i] {
			return false
		}
	}
	return true
}
