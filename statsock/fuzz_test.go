package statsock_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thalassa/statsock"
)

// seed adds the captured answers whose names match.
func seed(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds ", pattern, err)
	}
	for _, file := range files {
		f.Add(fixture(f, filepath.Base(file)))
	}
}

func FuzzShowInfo(f *testing.F) {
	seed(f, "show-info-*")
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := statsock.ParseInfo(string(data))
		if err == nil && info.PID <= 0 {
			t.Errorf("accepted without a process id: %+v", info)
		}
		if strings.Contains(info.Description, "\n") {
			t.Errorf("description %q holds a line break", info.Description)
		}
	})
}

func FuzzShowProc(f *testing.F) {
	seed(f, "show-proc-*")
	f.Fuzz(func(t *testing.T, data []byte) {
		procs, err := statsock.ParseProcesses(string(data))
		if err != nil {
			return
		}
		for _, pid := range append(procs.PIDs(), procs.Master.PID) {
			if pid <= 0 {
				t.Errorf("accepted process id %d", pid)
			}
		}
	})
}

func FuzzReload(f *testing.F) {
	seed(f, "reload-*")
	f.Fuzz(func(t *testing.T, data []byte) {
		reply, err := statsock.ParseReload(string(data))
		if !reply.Conclusive && reply.Success || err != nil && reply != (statsock.ReloadReply{}) {
			t.Errorf("%+v, %v", reply, err)
		}
		if reply.Conclusive && !strings.HasPrefix(string(data), "Success=") {
			t.Errorf("%q is conclusive", data)
		}
	})
}

func FuzzShowStat(f *testing.F) {
	seed(f, "show-stat-*")
	f.Add([]byte("# pxname,svname,last_chk,\np,s,\"a \"\"b\"\", \nc\",\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		stats, err := statsock.ReadStats(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, s := range stats {
			if s.Proxy == "" || s.Server == "" {
				t.Errorf("accepted a line without a name: %+v", s)
			}
		}
		if lines := bytes.Count(data, []byte("\n")); len(stats) >= lines {
			t.Errorf("%d rows out of %d lines", len(stats), lines)
		}
	})
}

// A Scanner that has read anything before reads as one that has read nothing.
func FuzzScanner(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "show-stat-*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds ", err)
	}
	for i, file := range files {
		f.Add(fixture(f, filepath.Base(files[(i+1)%len(files)])), fixture(f, filepath.Base(file)))
	}
	f.Add([]byte("# pxname,svname,type,\nlong,\"a \"\"b\"\""), []byte("# svname,type,pxname,\ns,2,p\n\n"))
	f.Fuzz(func(t *testing.T, before, data []byte) {
		var s statsock.Scanner
		ignore := func(*statsock.Stat) error { return nil }
		if s.ScanFrom(bytes.NewReader(before), ignore) == nil && s.ScanFrom(bytes.NewReader(before), ignore) != nil {
			t.Error("what was read cannot be read again")
		}
		var got []statsock.Stat
		err := s.ScanFrom(bytes.NewReader(data), func(line *statsock.Stat) error {
			got = append(got, *line)
			return nil
		})
		want, wrong := statsock.ReadStats(bytes.NewReader(data))
		if (err == nil) != (wrong == nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("read %+v (%v), want %+v (%v)", got, err, want, wrong)
		}
	})
}
