package statsock_test

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// scanned is what a Scanner sees, copied.
func scanned(t *testing.T, s *statsock.Scanner, c *statsock.Client, q statsock.StatQuery) ([]statsock.Stat, statsock.Info, error) {
	t.Helper()
	var lines []statsock.Stat
	err := s.Scan(t.Context(), c, q, func(line *statsock.Stat) error {
		lines = append(lines, *line)
		return nil
	})
	return lines, s.Info, err
}

func TestScannerSeesWhatShowStatReturns(t *testing.T) {
	var s statsock.Scanner
	for _, version := range []string{"2.6.12", "3.0.11", "3.2.26", "2.6.12"} {
		csv := string(fixture(t, "show-stat-"+version+".csv"))
		info := string(fixture(t, "show-info-"+version+".txt"))
		want, err := statsock.New(say(t, csv).path).ShowStat(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		socket := say(t, info+csv)
		for range 2 {
			got, who, err := scanned(t, &s, statsock.New(socket.path), statsock.StatQuery{})
			if err != nil || !reflect.DeepEqual(got, want) || !strings.HasPrefix(who.Version, version) || who.PID <= 0 {
				t.Errorf("%s: %d lines of %+v (%v), want %d", version, len(got), who, err, len(want))
			}
		}
	}
}

func TestScannerAsksForWhatIsWanted(t *testing.T) {
	var s statsock.Scanner
	socket := say(t, "Unknown command\n\n")
	for want, q := range map[string]statsock.StatQuery{
		"show info;show stat -1 -1 -1\n":         {},
		"show info;show stat -1 3 -1\n":          {Kinds: []statsock.Kind{statsock.KindFrontend, statsock.KindBackend}},
		"show info;show stat -1 4 -1 no-maint\n": {Kinds: []statsock.Kind{statsock.KindServer}, InUse: true},
	} {
		if _, _, err := scanned(t, &s, statsock.New(socket.path), q); err == nil {
			t.Error("an answer that is none is taken")
		}
		asked := socket.asked()
		if got := asked[len(asked)-1]; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
}

func TestScannerThroughAMasterAsksOneQuestion(t *testing.T) {
	var s statsock.Scanner
	socket := say(t, string(fixture(t, "show-info-2.6.12.txt"))+string(fixture(t, "show-stat-2.6.12.csv")))
	lines, info, err := scanned(t, &s, statsock.NewMaster(socket.path).Worker(42), statsock.StatQuery{})
	if err != nil || len(lines) != 9 || !strings.HasPrefix(info.Version, "2.6.12") {
		t.Errorf("%d lines, %+v, %v", len(lines), info, err)
	}
	if got := socket.asked(); len(got) != 1 || got[0] != "@!42 show info;@!42 show stat -1 -1 -1\n" {
		t.Errorf("asked %q", got)
	}
}

func TestScannerGivesTheErrorsOfItsCaller(t *testing.T) {
	var s statsock.Scanner
	socket := say(t, string(fixture(t, "show-info-2.6.12.txt"))+string(fixture(t, "show-stat-2.6.12.csv")))
	stop := errors.New("enough")
	n := 0
	err := s.Scan(t.Context(), statsock.New(socket.path), statsock.StatQuery{}, func(*statsock.Stat) error {
		n++
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
	if lines, _, err := scanned(t, &s, statsock.New(socket.path), statsock.StatQuery{}); err != nil || len(lines) != 9 {
		t.Errorf("afterwards %d lines, %v", len(lines), err)
	}
}

func TestScannerNoticesEveryCut(t *testing.T) {
	whole := string(fixture(t, "show-info-2.6.12.txt")) + string(fixture(t, "show-stat-2.6.12.csv"))
	cuts := make(chan int, 1)
	socket := serve(t, func(conn net.Conn, _ string) { _, _ = conn.Write([]byte(whole[:<-cuts])) })
	var s statsock.Scanner
	for cut := 0; cut < len(whole); cut += 37 {
		cuts <- cut
		if _, _, err := scanned(t, &s, statsock.New(socket.path), statsock.StatQuery{}); err == nil {
			t.Fatalf("cut after %d bytes: no error", cut)
		}
	}
}

// A table that is read again must cost nothing per line.
func TestScannerMakesNoGarbage(t *testing.T) {
	const servers = 1000
	data := append(append([]byte{}, fixture(t, "show-info-2.6.12.txt")...), table(servers)...)
	socket := serve(t, func(conn net.Conn, _ string) { _, _ = conn.Write(data) })
	client := statsock.New(socket.path)
	var s statsock.Scanner
	read := func() {
		n := 0
		if err := s.Scan(t.Context(), client, statsock.StatQuery{}, func(*statsock.Stat) error { n++; return nil }); err != nil || n != servers {
			t.Errorf("%d lines, %v", n, err)
		}
	}
	read()
	// Both ends of the connection are counted, and the words of show info.
	if got := testing.AllocsPerRun(5, read); got > servers/5 {
		t.Errorf("%v allocations for %d lines", got, servers)
	}
}

// Names that come and go must not stay for ever.
func TestScannerForgets(t *testing.T) {
	t.Parallel()
	info := string(fixture(t, "show-info-2.6.12.txt"))
	n := 0
	socket := serve(t, func(conn net.Conn, _ string) {
		n++
		var text strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&text, "live,server-%d-%d\n", n, i)
		}
		_, _ = conn.Write([]byte(info + "# pxname,svname,\n" + text.String() + "\n"))
	})
	var s statsock.Scanner
	for range 20 {
		if lines, _, err := scanned(t, &s, statsock.New(socket.path), statsock.StatQuery{}); err != nil || len(lines) != 2000 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		if kept := s.Texts(); kept > 20_000 {
			t.Fatalf("%d texts are kept", kept)
		}
	}
}

// TestScannerOnRealHAProxy follows one HAProxy over a reload, the old worker
// through the master.
func TestScannerOnRealHAProxy(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			address := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{Address: address, Backend: "127.0.0.1:1"})
			client, master := statsock.New(h.StatsSocket), statsock.NewMaster(h.MasterSocket)
			testkit.Eventually(t, patience, func() error { _, err := client.ShowInfo(t.Context()); return err })
			testkit.Eventually(t, patience, func() error { _, err := master.ShowProc(t.Context()); return err })
			var s statsock.Scanner
			lines, info, err := scanned(t, &s, client, statsock.StatQuery{})
			if err != nil || len(lines) != 3 || lines[1].Address != "127.0.0.1:1" {
				t.Fatalf("%+v, %v", lines, err)
			}
			if answer, err := client.Do(t.Context(), "set server members/member state maint"); err != nil || answer != "" {
				t.Fatal(answer, err)
			}
			if lines, _, err = scanned(t, &s, client, statsock.StatQuery{InUse: true}); err != nil || len(lines) != 2 {
				t.Errorf("without servers in maintenance: %+v, %v", lines, err)
			}
			again, _, err := scanned(t, &s, master.Worker(info.PID), statsock.StatQuery{Kinds: []statsock.Kind{statsock.KindServer}})
			if err != nil || len(again) != 1 || again[0].Server != "member" || again[0].Status != "MAINT" {
				t.Errorf("through the master: %+v, %v", again, err)
			}
			if _, _, err := scanned(t, &s, master.Worker(1), statsock.StatQuery{}); err == nil {
				t.Error("a process that is no worker answered")
			}
		})
	}
}

func BenchmarkScanner(b *testing.B) {
	data := append(append([]byte{}, fixture(b, "show-info-2.6.12.txt")...), table(10_000)...)
	var s statsock.Scanner
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := s.ScanBytes(data, func(*statsock.Stat) error { n++; return nil }); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}
