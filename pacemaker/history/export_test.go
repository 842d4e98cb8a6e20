package history_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// madeBy is who makes the files of the tests.
var madeBy = cluster.HistoryOrigin{Program: "1.2.3", Cluster: "lab", Node: "n1", Nodes: []string{"n1", "n2"}, Made: noon.Add(time.Hour)}

// An entry is one of a tarball.
type entry struct {
	tar.Header

	data []byte
}

// entriesOf are those of a .tar.gz.
func entriesOf(t *testing.T, file []byte) []entry {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out []entry
	for in := tar.NewReader(gz); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{*h, data})
	}
}

// tarOf is a .tar of entries. Of one without a type, the type is that of a regular file.
func tarOf(t *testing.T, list ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, e := range list {
		if e.Typeflag == 0 {
			e.Typeflag = tar.TypeReg
		}
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(e.data))
		}
		if err := out.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	out := gzip.NewWriter(&b)
	if _, err := out.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exported is a file of a past: of two transitions, of which the second has a failure.
func exported(t *testing.T) (p history.Past, quiet, failed cluster.Transition, file []byte) {
	t.Helper()
	p = past(t)
	p.Nodes = func() (string, []string) { return "n1", []string{"n2"} }
	quiet = add(t, p.Archive, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	failed = add(t, p.Archive, "pe-warn-1.bz2", input(noon.Add(time.Minute), 2, true, "2s"))
	if _, err := p.Decide(t.Context(), failed.ID); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Export(t.Context(), &b, cluster.HistoryFilter{}, madeBy); err != nil {
		t.Fatal(err)
	}
	return p, quiet, failed, b.Bytes()
}

func TestExport(t *testing.T) {
	p, quiet, failed, file := exported(t)
	m, err := history.CheckExport(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if m.Transitions != 2 || m.More || len(m.Problems) > 0 || m.Cluster != "lab" || m.Version != 1 || len(m.Entries) != 2*5+2 {
		t.Errorf("the manifest is %+v", m)
	}
	var names []string
	for _, e := range entriesOf(t, file) {
		name := strings.TrimPrefix(e.Name, "thalassa-history/")
		names = append(names, name)
		if bytes.Contains(e.data, []byte(secret)) {
			t.Errorf("%s has a secret", e.Name)
		}
		if e.Mode != 0o600 {
			t.Errorf("%s has the mode %o", e.Name, e.Mode)
		}
		switch name {
		case "transitions/" + failed.ID + "/decisions.json":
			var got, want cluster.Prediction
			if want, err = p.Predicted(t.Context(), failed.ID); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(e.data, &got); err != nil || len(got.Graph.Steps) == 0 || len(got.Graph.Steps) != len(want.Graph.Steps) {
				t.Errorf("the decisions are %s, %v", e.data, err)
			}
		case "transitions/" + failed.ID + "/record.json":
			var got cluster.Transition
			if err := json.Unmarshal(e.data, &got); err != nil || !got.Known || len(got.Decisions) == 0 || len(got.Operations) == 0 || got.Authors == nil {
				t.Errorf("the record is %s, %v", e.data, err)
			}
		case "transitions/" + quiet.ID + "/cib.xml":
			if want, err := p.MaskedCIB(quiet.ID); err != nil || !bytes.Equal(e.data, want) {
				t.Errorf("the CIB is not that of the API: %v", err)
			}
		}
	}
	if names[0] != "transitions/"+failed.ID+"/record.json" || names[len(names)-1] != "manifest.json" {
		t.Errorf("the entries are %v", names)
	}
}

// The log of each transition is masked by the configurations around it: each input is read once
// for all of that.
func TestExportReadsEachInputOnce(t *testing.T) {
	p := history.Past{Archive: open(t, t.TempDir(), history.Bounds{}), Tools: pacemaker.Config{Tools: t.TempDir()}}
	for i := range 12 {
		add(t, p.Archive, fmt.Sprintf("pe-input-%d.bz2", i), input(noon.Add(time.Duration(i)*3*time.Second), i+1, false, fmt.Sprintf("%ds", i)))
	}
	reads := map[string]int{}
	load := func(id string) ([]byte, *pacemaker.CIB, error) {
		reads[id]++
		return p.Input(id)
	}
	if err := p.ExportThrough(t.Context(), io.Discard, load, cluster.HistoryFilter{}, madeBy); err != nil {
		t.Fatal(err)
	}
	for id, n := range reads {
		if n != 1 {
			t.Errorf("%s was read %d times", id, n)
		}
	}
	if len(reads) != 12 {
		t.Errorf("%d inputs were read", len(reads))
	}
}

func TestExportOfAnInterval(t *testing.T) {
	p, quiet, _, _ := exported(t)
	var b bytes.Buffer
	if err := p.Export(t.Context(), &b, cluster.HistoryFilter{To: noon.Add(time.Second)}, madeBy); err != nil {
		t.Fatal(err)
	}
	m, err := history.CheckExport(t.Context(), &b)
	if err != nil || m.Transitions != 1 || !strings.Contains(m.Entries[0].Name, quiet.ID) {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
	b.Reset()
	err = p.Export(t.Context(), &b, cluster.HistoryFilter{From: noon.Add(time.Hour)}, madeBy)
	if !errors.As(err, new(*lb.NotFoundError)) || b.Len() > 0 {
		t.Errorf("of nothing: %d bytes, %v", b.Len(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Export(ctx, &b, cluster.HistoryFilter{}, madeBy); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// What a file does not have because a tool is not there is named.
func TestExportWithoutTools(t *testing.T) {
	p, _, failed, _ := exported(t)
	p.Tools.Tools = t.TempDir()
	var b bytes.Buffer
	if err := p.Export(t.Context(), &b, cluster.HistoryFilter{}, madeBy); err != nil {
		t.Fatal(err)
	}
	m, err := history.CheckExport(t.Context(), &b)
	if err != nil || len(m.Problems) != 4 || !strings.HasPrefix(m.Problems[0], "transitions/"+failed.ID+"/state.json: ") {
		t.Errorf("the manifest is %+v, %v", m, err)
	}
}

// A file that is not as it was made is no file of the history.
func TestBrokenSeals(t *testing.T) {
	_, _, failed, file := exported(t)
	changed := func(change func(list []entry) []entry) []byte {
		return gzipped(t, tarOf(t, change(entriesOf(t, file))...))
	}
	for says, data := range map[string][]byte{
		"cut off":            file[:len(file)/2],
		"no tar archive":     []byte("no archive"),
		"damaged":            append(bytes.Clone(file[:len(file)-4]), 1, 2, 3, 4),
		"has no thalassa":    changed(func(list []entry) []entry { return list[:len(list)-1] }),
		failed.ID + "/state": changed(func(list []entry) []entry { list[2].data = append(list[2].data, ' '); return list }),
		"names 12 entries":   changed(func(list []entry) []entry { return list[1:] }),
		"is there twice":     changed(func(list []entry) []entry { return append(list, list[0]) }),
		"is of version 2": changed(func(list []entry) []entry {
			last := &list[len(list)-1]
			last.data = bytes.Replace(last.data, []byte(`"version":1`), []byte(`"version":2`), 1)
			return list
		}),
	} {
		_, err := history.CheckExport(t.Context(), bytes.NewReader(data))
		if !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// Of other nodes, a file has the lines that are kept here. Nobody is asked for it.
func TestExportOfOtherNodesLines(t *testing.T) {
	p, _, failed, _ := exported(t)
	p.Others = func(_ context.Context, from, _ time.Time, ask bool) cluster.Logged {
		if ask {
			t.Error("other nodes are asked")
		}
		return cluster.Logged{Node: "n1", Lines: []cluster.LogLine{{Time: from, Node: "n2", Source: "corosync.log", Text: "a processor failed"}}, Missing: []string{"n3"}}
	}
	var b bytes.Buffer
	if err := p.Export(t.Context(), &b, cluster.HistoryFilter{Tag: "warning"}, madeBy); err != nil {
		t.Fatal(err)
	}
	for _, e := range entriesOf(t, b.Bytes()) {
		if e.Name != "thalassa-history/transitions/"+failed.ID+"/log.json" {
			continue
		}
		var log cluster.Logged
		if err := json.Unmarshal(e.data, &log); err != nil || len(log.Lines) == 0 || log.Lines[0].Node != "n2" || len(log.Missing) != 1 {
			t.Errorf("the log is %s, %v", e.data, err)
		}
		return
	}
	t.Error("there is no log")
}
