package testkit

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// SchedulerCIBs calls file with the name and the content of each file of Pacemaker's scheduler
// tests (cts/scheduler of its source): CIBs, and what the scheduler makes of them. They are in the
// archive that THALASSA_SCHEDULER_CIBS names, a .tar.gz, or in pacemaker-scheduler.tar.gz in the
// folder of the test tools; without either the test is skipped. isNamed reports whether the variable is
// set, as for a run with all of them, which takes minutes.
func SchedulerCIBs(tb testing.TB, file func(name string, data []byte)) (isNamed bool) {
	tb.Helper()
	path, isNamed := os.LookupEnv("THALASSA_SCHEDULER_CIBS")
	if !isNamed {
		cache, err := os.UserCacheDir()
		if err != nil {
			tb.Skip(err)
		}
		path = filepath.Join(cache, "thalassa", "pacemaker-scheduler.tar.gz")
	}
	f, err := os.Open(path)
	if err != nil {
		tb.Skip("the CIBs of Pacemaker's scheduler tests are not here; THALASSA_SCHEDULER_CIBS names their archive")
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return isNamed
		}
		if err != nil {
			tb.Fatal(err)
		}
		data, err := io.ReadAll(io.LimitReader(archive, 16<<20))
		if err != nil {
			tb.Fatal(err)
		}
		file(filepath.Base(h.Name), data)
	}
}
