package testkit

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// SchedulerCIBs calls file with the name and the content of each file of Pacemaker's scheduler
// tests (cts/scheduler of its source): CIBs, and what the scheduler makes of them. They are in the
// archive that THALASSA_SCHEDULER_CIBS names, a .tar.gz, else in pacemaker-scheduler.tar.gz in
// ../shared/data of the repository or in the folder of the test tools; without any the test is
// skipped. isNamed reports whether the variable is set, as for a run with all of them, which takes
// minutes.
func SchedulerCIBs(tb testing.TB, file func(name string, data []byte)) (isNamed bool) {
	tb.Helper()
	path, isNamed := os.LookupEnv("THALASSA_SCHEDULER_CIBS")
	if !isNamed {
		path = schedulerArchive()
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !isNamed {
		tb.Skip("the CIBs of Pacemaker's scheduler tests are not here; THALASSA_SCHEDULER_CIBS names their archive")
	}
	if err != nil {
		tb.Fatal(err)
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

// schedulerArchive is where the archive is if no variable names it: beside the repository, whose
// root is the first folder with a go.mod above the test, else in the cache.
func schedulerArchive() string {
	const name = "pacemaker-scheduler.tar.gz"
	if folder, err := os.Getwd(); err == nil {
		for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
			if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
				continue
			}
			if path := filepath.Join(filepath.Dir(folder), "shared", "data", name); isFile(path) {
				return path
			}
			break
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return name // which is nowhere, because no package has it
	}
	return filepath.Join(cache, "thalassa", name)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
