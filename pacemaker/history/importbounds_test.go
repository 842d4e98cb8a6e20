package history_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// sealedFile is an export with such entries, each a name and its content, and the manifest of them.
func sealedFile(t *testing.T, parts ...string) []byte {
	t.Helper()
	m := cluster.HistoryManifest{Format: cluster.HistoryFormat, Version: cluster.HistoryFormatVersion, HistoryOrigin: madeBy}
	var list []entry
	add := func(name, content string) {
		list = append(list, entry{tar.Header{Name: "thalassa-history/" + name, Mode: 0o600, ModTime: noon}, []byte(content)})
	}
	for i := 0; i < len(parts); i += 2 {
		sum := sha256.Sum256([]byte(parts[i+1]))
		m.Entries = append(m.Entries, cluster.HistoryPart{Name: parts[i], Bytes: int64(len(parts[i+1])), SHA256: hex.EncodeToString(sum[:])})
		add(parts[i], parts[i+1])
	}
	add("manifest.json", asJSON(t, m))
	return gzipped(t, tarOf(t, list...))
}

// recordID is the ID of one of many transitions.
func recordID(n int) string {
	return noon.Add(time.Duration(n)*time.Second).Format("20060102T150405Z") + fmt.Sprintf("-input-%d-1a2b3c4d", n)
}

// isRefused imports a file that is refused for a reason. Altogether, so much memory is asked for
// at most; most of it is not needed for long.
func isRefused(t *testing.T, data []byte, b history.ImportBounds, says string, most uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := refusal(t, bytes.NewReader(data), b)
	runtime.ReadMemStats(&after)
	if !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("expected %q: %v", says, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%q took %d MiB of memory", says, took>>20)
	}
}

// A small file with very many values of JSON takes no memory for them.
func TestValuesInAnExport(t *testing.T) {
	values := 1_000_000
	if testing.Short() {
		values = 300_000
	}
	has := fmt.Sprintf("has %d", values/5) // the first digits of twice as many: the elements are counted with their ends
	id := recordID(1)
	folder := "transitions/" + id + "/"
	many := func(key, value string, n int) string {
		return fmt.Sprintf(`{"id":%q,%q:[%s%s]}`, id, key, value, strings.Repeat(","+value, n-1))
	}
	for says, data := range map[string][]byte{
		folder + "record.json: " + has: sealedFile(t, folder+"record.json", many("operations", "{}", values)),
		"has 1001 operations and":      sealedFile(t, folder+"record.json", many("operations", "{}", 1001)),
		"has 0 operations and 501":     sealedFile(t, folder+"record.json", many("decisions", "{}", 501)),
		"has more than 4194304 bytes":  sealedFile(t, folder+"record.json", many("dc", strings.Repeat(" ", 5<<20), 1)),
		folder + "state.json: " + has:  sealedFile(t, folder+"state.json", many("nodes", "{}", values)),
		folder + "log.json: " + has:    sealedFile(t, folder+"log.json", many("lines", "{}", values)),
		"events.jsonl: " + has:         sealedFile(t, "events.jsonl", "["+strings.Repeat("{},", values)+"{}]"),
	} {
		isRefused(t, data, history.ImportBounds{}, says, 512<<20)
	}
	for _, name := range []string{"jobs.jsonl", "events.jsonl"} {
		data := sealedFile(t, name, strings.Repeat("{}\n", 300_000))
		isRefused(t, data, history.ImportBounds{Beside: 2 << 20}, name+": has more than 2097152 bytes with all its fields", 64<<20)
		isRefused(t, data, history.ImportBounds{Beside: 500_000}, name+": has more than 500000 bytes, expected", 64<<20)
	}
	var parts []string
	for n := range 200 { // each within its bounds
		id = recordID(n)
		parts = append(parts, "transitions/"+id+"/record.json", many("operations", "{}", 1000))
	}
	isRefused(t, sealedFile(t, parts...), history.ImportBounds{}, "record.json: has more than 64 MiB of records", 512<<20)
	manifest := entry{tar.Header{Name: "thalassa-history/manifest.json", Mode: 0o600, ModTime: noon}, []byte(many("entries", "{}", values))}
	isRefused(t, gzipped(t, tarOf(t, manifest)), history.ImportBounds{}, "manifest.json: "+has, 64<<20)
}

// What an input has in its attributes does not stay in memory, nor fill the disk.
func TestLongNamesInAReport(t *testing.T) {
	const length = 1 << 20
	one := string(input(noon, 1, false, "0s"))
	long := strings.Replace(one, "<cib ", `<cib cib-last-written="Sun Nov 29 12:00:00 2026" update-user="`+strings.Repeat("u", length)+`" `, 1)
	if len(long) < length {
		t.Fatal("the input has no long name")
	}
	compressed := bzipped(t, []byte(long))
	var list []entry
	for n := range 3 {
		list = append(list, file(fmt.Sprintf("n1/pengine/pe-input-%d.bz2", n), compressed))
	}
	data := gzipped(t, tarOf(t, list...))
	dir := t.TempDir()
	s := imports(t, dir, history.ImportBounds{})
	about, _, err := s.Add(t.Context(), bytes.NewReader(data), "ann")
	if err != nil || about.Transitions != 3 || about.Bytes > 100_000 {
		t.Fatalf("imported is %+v, %v", about, err)
	}
	p, err := s.Past(about.ID)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := p.Find(cluster.HistoryFilter{}, 10)
	for _, found := range found {
		if found.Change == nil || len(found.Change.User) != 512 {
			t.Errorf("the transition is %.2000s", asJSON(t, found))
		}
	}
	isRefused(t, data, history.ImportBounds{Expanded: 2 * length}, "pe-input-1.bz2: has too much XML", 512<<20)
}

// The index of a report counts, too.
func TestIndexOfAReportOnDisk(t *testing.T) {
	var results strings.Builder
	for n := range 900 {
		fmt.Fprintf(&results, `<lrm_rsc_op id="o%d" operation="start" call-id="%d" rc-code="0" op-status="0" interval="0" last-rc-change="%d"/>`, n, n, noon.Unix()-int64(n))
	}
	text := string(input(noon, 1, false, "0s"))
	filled := strings.Replace(text, "</lrm_resource>", results.String()+"</lrm_resource>", 1)
	if filled == text {
		t.Fatal("the input has no resource")
	}
	data := gzipped(t, tarOf(t, file("n1/pengine/pe-input-1.bz2", bzipped(t, []byte(filled)))))
	dir := t.TempDir()
	about, _, err := imports(t, dir, history.ImportBounds{}).Add(t.Context(), bytes.NewReader(data), "ann")
	if err != nil || about.Bytes < 100_000 {
		t.Fatalf("imported is %+v, %v", about, err)
	}
	isRefused(t, data, history.ImportBounds{Each: 50_000}, "has no room among the imported histories", 256<<20)
}

// What is old is removed, not only hidden: when the agent starts, and while it runs.
func TestOldImportsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	importReport(t, imports(t, dir, history.ImportBounds{}))
	importsAt(t, dir, history.ImportBounds{}, noon.Add(91*24*time.Hour))
	isEmpty(t, dir)
	_, _, _, data := exported(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := history.OpenImports(dir, pacemaker.Config{}, time.Now, history.ImportBounds{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Add(t.Context(), bytes.NewReader(data), "ann"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx, slog.New(slog.DiscardHandler)) }()
		<-time.After(89 * 24 * time.Hour)
		if len(s.List()) != 1 {
			t.Error("it is removed too early")
		}
		<-time.After(2 * 24 * time.Hour)
		isEmpty(t, dir)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// undecidable is a past whose decisions cannot be found out.
type undecidable struct{ history.Past }

func (undecidable) Predicted(context.Context, string) (cluster.Prediction, error) {
	return cluster.Prediction{}, &cluster.Error{Tool: "crm_simulate", Kind: cluster.KindNotInstalled}
}

// What an export lacks is not made up from inputs without secrets.
func TestExportThatLacksDecisions(t *testing.T) {
	p, quiet, failed, _ := exported(t)
	var b bytes.Buffer
	if err := history.WriteExport(t.Context(), &b, undecidable{p}, history.Beside{}, cluster.HistoryFilter{}, madeBy); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := imports(t, dir, history.ImportBounds{})
	about, _, err := s.Add(t.Context(), &b, "ann")
	if err != nil || !strings.Contains(fmt.Sprint(about.Notes), "the file lacks transitions/"+failed.ID+"/decisions.json") {
		t.Fatalf("imported is %+v, %v", about, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // in which they would be found out
	defer cancel()
	if err := s.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	q, err := s.Past(about.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Predicted(t.Context(), failed.ID); !errors.As(err, new(*lb.NotFoundError)) || !strings.Contains(err.Error(), "/decisions does not exist: the imported file lacks it") {
		t.Errorf("decided is %v", err)
	}
	if v, err := q.State(t.Context(), failed.ID); err != nil || v.DC != "n2" {
		t.Errorf("the state is %+v, %v", v, err)
	}
	if is, err := q.Transition(quiet.ID); err != nil || is.Known || len(is.Decisions) > 0 { // nobody had asked
		t.Errorf("the record is %+v, %v", is, err)
	}
	if is, err := q.Decide(t.Context(), failed.ID); err != nil || !is.Known || len(is.Decisions) == 0 { // the record has them
		t.Errorf("the record is %+v, %v", is, err)
	}
	if _, err := q.Explain(t.Context(), quiet.ID); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("it is explained: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, about.ID, failed.ID+".state.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := q.State(t.Context(), failed.ID); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("the state is made up: %v", err)
	}
}
