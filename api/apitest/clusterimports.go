package apitest

import (
	"bytes"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/cluster"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// HistoryFile is a file of a history: both transitions, of the cluster berlin.
func HistoryFile(tb testing.TB, h ClusterHistory) []byte {
	tb.Helper()
	var b bytes.Buffer
	by := cluster.HistoryOrigin{Program: "1.0.0", Cluster: "berlin", Node: "n1", Nodes: []string{"n1", "n2"}, Made: time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)}
	if err := h.Export(tb.Context(), &b, cluster.HistoryFilter{}, by); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Importing keeps imported histories in a directory of the test.
func Importing(tb testing.TB) func(*api.Config) {
	tb.Helper()
	imports, err := history.OpenImports(tb.TempDir(), pacemaker.Config{}, time.Now, history.ImportBounds{})
	if err != nil {
		tb.Fatal(err)
	}
	return func(cfg *api.Config) {
		cfg.ClusterImports = imports
		cfg.ClusterImported = func(id string) (api.ClusterHistory, error) { return imports.Past(id) }
	}
}
