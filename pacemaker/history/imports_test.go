package history_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// imports are those of a directory. The clock is an hour after noon.
func imports(t *testing.T, dir string, b history.ImportBounds) *history.Imports {
	t.Helper()
	return importsAt(t, dir, b, noon.Add(time.Hour))
}

func importsAt(t *testing.T, dir string, b history.ImportBounds, now time.Time) *history.Imports {
	t.Helper()
	s, err := history.OpenImports(dir, pacemaker.Config{}, func() time.Time { return now }, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bzipped is data as bzip2 compresses it.
func bzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	cmd := exec.Command(testkit.Tool(t, "bzip2"), "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func file(name string, data []byte) entry {
	return entry{tar.Header{Name: "crm_report-Sun-29-Nov-2026/" + name, Mode: 0o644, ModTime: noon.Add(10 * time.Minute)}, data}
}

// reportEntries are those of a report as crm report makes it, of two nodes: n2 is the DC.
func reportEntries(t *testing.T) []entry {
	t.Helper()
	quiet, failed := input(noon, 1, false, "0s"), input(noon.Add(time.Minute), 2, true, "2s")
	named := bytes.Replace(failed, []byte(`<nvpair id="o1"`), []byte(`<nvpair id="o0" name="cluster-name" value="berlin"/><nvpair id="o1"`), 1)
	folder := func(name string) entry {
		return entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: "crm_report-Sun-29-Nov-2026/" + name, Mode: 0o755}}
	}
	link := func(name string) entry {
		return entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "crm_report-Sun-29-Nov-2026/" + name, Linkname: "../" + filepath.Base(name)}}
	}
	return []entry{
		folder(""), folder("n1"), folder("n2"), folder("n2/pengine"),
		file("ha-log.txt", []byte("Nov 29 12:00:59 n1 pacemaker-controld[75]:  notice: of all nodes\n")),
		file("analysis.txt", []byte("Diff members.txt... OK\n")), file("description.txt", nil),
		file("corosync.conf", []byte("totem {\n  version: 2\n  token: 5000\n}\n")), link("n1/corosync.conf"), link("n2/corosync.conf"),
		file("members.txt", []byte("n1 n2\n")), link("n1/members.txt"), link("n2/members.txt"),
		file("n1/cib.xml", named), file("n1/sysinfo.txt", nil), file("n1/RUNNING", nil),
		file("n1/journal_pacemaker.log", []byte("2026-11-29T13:00:59.250000+0100 n1 pacemaker-controld[75]:  notice: Result of monitor operation for vip on n1: not running, says "+secret+"\n")),
		file("n1/journal.log", []byte("2026-11-29T13:00:58.000000+0100 n1 sshd[9]: Accepted publickey for root\n2026-11-29T13:00:59.250000+0100 n1 pacemaker-controld[75]:  notice: Result of monitor operation for vip on n1: not running, says "+secret+"\n")),
		file("n2/cib.xml", named), file("n2/cib.txt", nil),
		file("n2/pengine/pe-input-1.bz2", bzipped(t, quiet)), file("n2/pengine/pe-warn-1.bz2", bzipped(t, failed)), file("n2/pengine/pe-warn-1.dot", []byte("digraph")),
		file("n2/pengine/pe-input-2.bz2", bzipped(t, quiet)[:40]),
		{Header: tar.Header{Typeflag: tar.TypeLink, Name: "crm_report-Sun-29-Nov-2026/n1/pacemaker.log", Linkname: "crm_report-Sun-29-Nov-2026/n1/journal_pacemaker.log"}},
		file("n2/corosync.log", []byte(noon.Add(61*time.Second).Local().Format("Jan 02 15:04:05")+" [51] n2 corosync notice  [TOTEM ] A processor failed\n")),
	}
}

func importReport(t *testing.T, s *history.Imports) cluster.ImportedHistory {
	t.Helper()
	about, added, err := s.Add(t.Context(), bytes.NewReader(bzipped(t, tarOf(t, reportEntries(t)...))), "ann")
	if err != nil || !added {
		t.Fatalf("added %t, %v", added, err)
	}
	return about
}

func TestImportOfAReport(t *testing.T) {
	past(t) // needs Pacemaker's tools
	dir := t.TempDir()
	s := imports(t, dir, history.ImportBounds{})
	about := importReport(t, s)
	if about.Kind != cluster.ImportOfReport || about.Cluster != "berlin" || !slices.Equal(about.Nodes, []string{"n1", "n2"}) || about.Transitions != 2 || about.LogLines != 3 ||
		about.By != "ann" || !about.From.Equal(noon) || !about.To.Equal(noon.Add(time.Minute)) || about.Bytes == 0 || len(about.Notes) != 1 || !strings.Contains(about.Notes[0], "pe-input-2.bz2") {
		t.Errorf("imported is %+v", about)
	}
	if _, added, err := s.Add(t.Context(), bytes.NewReader(bzipped(t, tarOf(t, reportEntries(t)...))), "bob"); added || err != nil {
		t.Errorf("the same once more: added %t, %v", added, err)
	}
	s = imports(t, dir, history.ImportBounds{}) // after a restart
	if list := s.List(); !reflect.DeepEqual(list, []cluster.ImportedHistory{about}) {
		t.Errorf("the imports are %+v", list)
	}
	p, err := s.Past(about.ID)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := p.Find(cluster.HistoryFilter{}, 10)
	if len(list) != 2 || list[0].Tag != "warning" || list[0].DC != "n2" || list[0].Change == nil {
		t.Fatalf("the transitions are %+v", list)
	}
	failed := list[0].ID
	if v, err := p.State(t.Context(), failed); err != nil || v.DC != "n2" || len(v.FloatingIPs) != 1 {
		t.Errorf("the state was %+v, %v", v, err)
	}
	predicted, err := p.Predicted(t.Context(), failed)
	if err != nil || !slices.ContainsFunc(predicted.Actions, func(c cluster.Consequence) bool { return c.Resource == "vip" && c.Action == "recover" }) {
		t.Errorf("decided was %+v, %v", predicted.Actions, err)
	}
	if diff, err := p.Difference(list[1].ID, failed); err != nil || len(diff) != 1 {
		t.Errorf("the difference is %+v, %v", diff, err)
	}
	masked, err := p.MaskedCIB(failed)
	if err != nil || bytes.Contains(masked, []byte(secret)) {
		t.Errorf("the CIB has secrets: %s, %v", masked, err)
	}
	from, to, err := p.LogOf(failed)
	if err != nil {
		t.Fatal(err)
	}
	log := p.Log(t.Context(), from, to, 100)
	if len(log.Lines) != 2 || log.Lines[0].Node != "n1" || log.Lines[0].Daemon != "pacemaker-controld" || !log.Lines[0].Time.Equal(noon.Add(59*time.Second+250*time.Millisecond)) ||
		strings.Contains(log.Lines[0].Text, secret) || log.Lines[1].Node != "n2" || log.Lines[1].Source != "corosync.log" || log.Lines[1].Daemon != "corosync" {
		t.Errorf("the log is %+v", log)
	}
	e, err := p.Explain(t.Context(), failed)
	if err != nil || e.Kind != failover.KindFailure || e.Node != "n1" {
		t.Errorf("explained is %+v, %v", e, err)
	}
}

// What the scheduler decided is found out without being asked for, so that a list can tell it.
func TestDecisionsOfImports(t *testing.T) {
	past(t) // needs Pacemaker's tools
	s := imports(t, t.TempDir(), history.ImportBounds{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, slog.New(slog.DiscardHandler)) }()
	about := importReport(t, s)
	testkit.Eventually(t, 30*time.Second, func() error {
		p, err := s.Past(about.ID)
		if err != nil {
			return err
		}
		if list := found(p.Archive, cluster.HistoryFilter{Resource: "vip", Node: "n1", Tag: "warning"}); len(list) != 1 {
			return fmt.Errorf("about vip on n1 are %v", list)
		}
		list, _ := p.Find(cluster.HistoryFilter{}, 10)
		if !list[0].Known || !list[1].Known || len(list[0].Decisions) == 0 {
			return fmt.Errorf("known is %+v", list)
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Only the agent's user can read what was imported, and nothing of it stays when it is removed.
func TestImportsOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := imports(t, dir, history.ImportBounds{})
	about := importReport(t, s)
	var size int64
	err := filepath.WalkDir(filepath.Join(dir, about.ID), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if mode := map[bool]os.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v, %v", path, info.Mode(), err)
		}
		if !d.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err != nil || size < about.Bytes || size > about.Bytes+4096 {
		t.Errorf("%d bytes on disk, told are %d, %v", size, about.Bytes, err)
	}
	if err := s.Remove(about.ID); err != nil {
		t.Fatal(err)
	}
	isEmpty(t, dir)
	for _, id := range []string{about.ID, "../" + about.ID, ""} {
		if err := s.Remove(id); !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("removing %q: %v", id, err)
		}
		if _, err := s.Past(id); !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("the past of %q: %v", id, err)
		}
	}
	for _, left := range []string{".new-1", ".gone-1"} {
		if err := os.MkdirAll(filepath.Join(dir, left, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	imports(t, dir, history.ImportBounds{})
	isEmpty(t, dir)
}

func isEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestBoundsOfImports(t *testing.T) {
	dir := t.TempDir()
	add := func(s *history.Imports, n int) error {
		list := append(reportEntries(t), file("n1/note.txt", fmt.Append(nil, n)))
		_, _, err := s.Add(t.Context(), bytes.NewReader(gzipped(t, tarOf(t, list...))), "ann")
		return err
	}
	s := imports(t, dir, history.ImportBounds{Number: 2})
	for n := range 2 {
		if err := add(s, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(s, 2); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "remove one first") {
		t.Errorf("a third one: %v", err)
	}
	s = importsAt(t, dir, history.ImportBounds{Number: 2}, noon.Add(91*24*time.Hour))
	if list := s.List(); len(list) > 0 {
		t.Errorf("old ones are listed: %+v", list)
	}
	if err := add(s, 2); err != nil { // in place of the old ones
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
	dir = t.TempDir()
	if err := add(imports(t, dir, history.ImportBounds{Each: 2000}), 1); !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), "n2/pengine/pe-warn-1.bz2") {
		t.Errorf("one that is too large: %v", err)
	}
	isEmpty(t, dir)
}

func TestImportOfAnExport(t *testing.T) {
	p, quiet, failed, data := exported(t)
	s := imports(t, t.TempDir(), history.ImportBounds{})
	about, _, err := s.Add(t.Context(), bytes.NewReader(data), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if about.Kind != cluster.ImportOfExport || about.Cluster != "lab" || !slices.Equal(about.Nodes, []string{"n1", "n2"}) || about.Transitions != 2 || !slices.Equal(about.Notes, []string{"the file has not all lines of the logs of n2"}) {
		t.Errorf("imported is %+v", about)
	}
	q, err := s.Past(about.ID)
	if err != nil {
		t.Fatal(err)
	}
	// What it tells is what was told where it was made.
	a, _ := p.Find(cluster.HistoryFilter{}, 10)
	b, _ := q.Find(cluster.HistoryFilter{}, 10)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the transitions are %+v\nwere %+v", b, a)
	}
	for _, id := range []string{quiet.ID, failed.ID} {
		was, err := p.Predicted(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		is, err := q.Predicted(t.Context(), id)
		if err != nil || !reflect.DeepEqual(was.Actions, is.Actions) || !reflect.DeepEqual(was.Graph, is.Graph) {
			t.Errorf("decided is %+v, %v\nwas %+v", is, err, was)
		}
		before, err := p.MaskedCIB(id)
		if err != nil {
			t.Fatal(err)
		}
		if after, err := q.MaskedCIB(id); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the CIB is %s, %v\nwas %s", after, err, before)
		}
	}
	was, err := p.At(t.Context(), noon.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	is, err := q.At(t.Context(), noon.Add(time.Second))
	if a, b := asJSON(t, was), asJSON(t, is); err != nil || a != b {
		t.Errorf("the state at an instant is %s, %v\nwas %s", b, err, a)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// refusal adds a file that is refused: nothing of it may stay.
func refusal(t *testing.T, data io.Reader, b history.ImportBounds) error {
	t.Helper()
	dir := t.TempDir()
	_, added, err := imports(t, dir, b).Add(t.Context(), data, "eve")
	if added || err == nil {
		t.Errorf("it was imported: %t, %v", added, err)
	}
	isEmpty(t, dir)
	return err
}

func TestHostileFiles(t *testing.T) {
	good := reportEntries(t)
	with := func(e entry) []byte { return gzipped(t, tarOf(t, append(slices.Clone(good), e)...)) }
	of := func(flag byte, name, link string) entry {
		return entry{Header: tar.Header{Typeflag: flag, Name: name, Linkname: link, Mode: 0o600, ModTime: noon}}
	}
	many := make([]entry, 20_001)
	for i := range many {
		many[i] = file(fmt.Sprintf("n1/%d", i), nil)
	}
	cib := string(input(noon.Add(2*time.Minute), 3, false, "0s"))
	laughs := `<!DOCTYPE cib [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>` + cib
	wide := strings.Replace(cib, "<constraints/>", "<constraints>"+strings.Repeat("<a/>", 500_000)+"</constraints>", 1)
	flat := strings.Replace(cib, "<constraints/>", "<constraints"+strings.Repeat(` a=""`, 1_300_000)+"/>", 1)
	long := "x/" + strings.Repeat("n", 600)
	for says, data := range map[string][]byte{
		"x/link: is a link":                          with(of(tar.TypeSymlink, "x/link", "/etc/shadow")),
		"x/n1/pe-input-7.bz2: is a link":             with(of(tar.TypeSymlink, "x/n1/pe-input-7.bz2", "../cib.xml")),
		"n1/cib.xml: is a link":                      with(of(tar.TypeSymlink, "n1/cib.xml", "../cib.xml")), // above the top folder
		"x/hard: is a link":                          with(of(tar.TypeLink, "x/hard", "crm_report-Sun-29-Nov-2026/n1/cib.xml")),
		"x/n1/hard: is a link":                       with(of(tar.TypeLink, "x/n1/hard", "/etc/shadow")),
		"report.log: is a link":                      with(of(tar.TypeLink, "crm_report-Sun-29-Nov-2026/n1/report.log", "crm_report-Sun-29-Nov-2026/n1/later.log")),
		"x/dev: is a device":                         with(of(tar.TypeChar, "x/dev", "")),
		"x/disk: is a device":                        with(of(tar.TypeBlock, "x/disk", "")),
		"x/fifo: is a FIFO":                          with(of(tar.TypeFifo, "x/fifo", "")),
		"x/../../y: is no plain relative name":       with(entry{tar.Header{Name: "x/../../y"}, nil}),
		"/etc/passwd: is no plain relative name":     with(entry{tar.Header{Name: "/etc/passwd"}, nil}),
		`a\nb": is no plain relative name`:           with(entry{tar.Header{Name: "x/a\nb"}, nil}),
		"has a name of 602 bytes":                    with(entry{tar.Header{Name: long}, nil}),
		"n1/cib.xml: is there twice":                 with(good[13]),
		"is one of more than 20000 entries":          gzipped(t, tarOf(t, many...)),
		"pe-input-8.bz2: has more than 16777216":     with(file("n2/pengine/pe-input-8.bz2", bzipped(t, make([]byte, 64<<20)))),
		"pe-input-9.bz2: has more than 4194304":      with(file("n2/pengine/pe-input-9.bz2", make([]byte, 5<<20))),
		"pe-input-3.bz2: has declarations":           with(file("n2/pengine/pe-input-3.bz2", bzipped(t, []byte(laughs)))),
		"pe-input-4.bz2: has 500":                    with(file("n2/pengine/pe-input-4.bz2", bzipped(t, []byte(wide)))),
		"pe-input-5.bz2: has 1300":                   with(file("n2/pengine/pe-input-5.bz2", bzipped(t, []byte(flat)))),
		"n3/cib.xml: has declarations":               with(file("n3/cib.xml", []byte(laughs))),
		"file: is no tar archive":                    []byte("PK\x03\x04 no tar"),
		"file: is compressed with xz":                []byte("\xfd7zXZ\x00 and more"),
		"file: has no input of":                      gzipped(t, tarOf(t, file("n1/note", nil))),
		"is where the file ends":                     with(file("x", nil))[:200],
		"pacemaker.log: is where the file ends":      tarOf(t, append(slices.Clone(good), file("n2/pacemaker.log", bytes.Repeat([]byte("x\n"), 4000)))...)[:len(tarOf(t, good...))],
		"is where the file is damaged: gzip: invali": append(bytes.Clone(with(file("x", nil))[:len(with(file("x", nil)))-5]), 1, 2, 3, 4, 5),
	} {
		if err := refusal(t, bytes.NewReader(data), history.ImportBounds{}); !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), says) {
			t.Errorf("expected %q: %v", says, err)
		}
	}
	bomb := with(file("n1/bomb", make([]byte, 9<<20)))
	if err := refusal(t, bytes.NewReader(bomb), history.ImportBounds{Expanded: 8 << 20}); !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), "n1/bomb: has more than 8388608 bytes") {
		t.Errorf("a bomb: %v", err)
	}
	lost := errors.New("the connection is lost")
	if err := refusal(t, io.MultiReader(bytes.NewReader(bomb[:1000]), failing{lost}), history.ImportBounds{}); !errors.Is(err, lost) {
		t.Errorf("a file that does not come: %v", err)
	}
}

// failing is a Reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What GNU tar makes of a sparse file.
func TestSparseFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hole"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "hole"), 100<<20); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"gnu", "posix"} {
		data, err := exec.Command(testkit.Tool(t, "tar"), "--create", "--sparse", "--format="+format, "--directory="+dir, "hole").Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := refusal(t, bytes.NewReader(data), history.ImportBounds{}); !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), "hole: is a sparse file") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A disk that is full keeps nothing half-done.
func TestImportOnAFullDisk(t *testing.T) {
	disk := testkit.NewDisk(t, 4)
	dir := filepath.Join(disk.Dir, "imports")
	s := imports(t, dir, history.ImportBounds{})
	line := noon.Local().Format("Jan 02 15:04:05") + " [51] n2 corosync notice  [TOTEM ] " + strings.Repeat("x", 900) + "\n"
	list := append(reportEntries(t), file("n3/corosync.log", bytes.Repeat([]byte(line), 8000)))
	_, added, err := s.Add(t.Context(), bytes.NewReader(gzipped(t, tarOf(t, list...))), "ann")
	if added || err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("added %t, %v", added, err)
	}
	isEmpty(t, dir)
	if list := s.List(); len(list) > 0 {
		t.Errorf("imported is %+v", list)
	}
	importReport(t, s) // there is room again
}

// An export has inputs as XML, which Pacemaker had compressed: what is there as a large CIB can be
// imported elsewhere, too.
func TestTheExportOfALargeCIBIsImported(t *testing.T) {
	p := history.Past{Archive: open(t, t.TempDir(), history.Bounds{}), Tools: pacemaker.Config{Tools: t.TempDir()}}
	large := strings.Replace(string(input(noon, 1, false, "0s")), "</configuration>", "<tags>"+strings.Repeat(`<tag id="t" exit-reason="`+strings.Repeat("long ", 2000)+`"><obj_ref id="vip"/></tag>`, 550)+"</tags></configuration>", 1)
	if len(large) < 5<<20 {
		t.Fatalf("the input has %d bytes", len(large))
	}
	only := add(t, p.Archive, "pe-input-1.bz2", bzipped(t, []byte(large)))
	var b bytes.Buffer
	if err := p.Export(t.Context(), &b, cluster.HistoryFilter{}, madeBy); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := imports(t, dir, history.ImportBounds{})
	about, _, err := s.Add(t.Context(), &b, "ann")
	if err != nil || about.Transitions != 1 || about.Bytes > 1<<20 {
		t.Fatalf("imported is %+v, %v", about, err)
	}
	q, err := s.Past(about.ID)
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.MaskedCIB(only.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := q.MaskedCIB(only.ID); err != nil || len(want) < 5<<20 || !bytes.Equal(got, want) {
		t.Errorf("the CIB has %d bytes, expected %d: %v", len(got), len(want), err)
	}
	if _, data, err := q.File(only.ID); err != nil || !bytes.HasPrefix(data, []byte("<cib ")) {
		t.Errorf("the file is %.100q, %v", data, err)
	}
}
