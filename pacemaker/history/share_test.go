package history_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/pacemaker/history"
)

// texts are what the nodes of a cluster say.
type texts struct {
	mu   sync.Mutex
	said map[string]string
	fail bool
}

// on is what a node has of it.
func (x *texts) on(node string) history.Exchange { return exchange{x, node} }

type exchange struct {
	all  *texts
	node string
}

func (e exchange) Say(_ context.Context, text string) error {
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	if e.all.fail {
		e.all.fail = false
		return errors.New("Pacemaker does not answer")
	}
	e.all.said[e.node] = text
	return nil
}

func (e exchange) Heard(context.Context) (map[string]string, error) {
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	return maps.Clone(e.all.said), nil
}

// What one node has seen is on the other one, too, also when the first attempt to tell it
// fails, and whatever a third node says.
func TestNodesShareTheirHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &texts{said: map[string]string{"n3": "garbage", "n4": base64.StdEncoding.EncodeToString(make([]byte, 100))}, fail: true}
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		defer ended.Wait()
		defer cancel()
		dirs, archives := map[string]string{}, map[string]*history.Archive{}
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := auth.ReadClusterKey(file, "test")
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range []string{"n1", "n2"} {
			dirs[node], archives[node] = t.TempDir(), open(t, t.TempDir(), history.Bounds{})
			r := history.NewRecorder(history.Past{Archive: archives[node]}, dirs[node], func() time.Time { return noon }, slog.New(slog.DiscardHandler))
			s := &history.Sharer{Recorder: r, Exchange: all.on(node), Key: key, Changed: func() <-chan struct{} {
				soon := make(chan struct{})
				time.AfterFunc(100*time.Millisecond, func() { close(soon) })
				return soon
			}, Logger: slog.New(slog.DiscardHandler)}
			for _, run := range []func(context.Context) error{r.Run, s.Run} {
				ended.Go(func() {
					if err := run(ctx); err != nil {
						t.Error(err)
					}
				})
			}
		}
		put := func(name string, data []byte) {
			path := filepath.Join(dirs["n1"], name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, noon, noon); err != nil {
				t.Fatal(err)
			}
		}
		put("pe-input-1.bz2", input(noon.Add(-time.Minute), 1, false, "0s"))
		put("pe-warn-1.bz2", input(noon, 2, true, "0s"))
		put("pe-input-2.bz2", bytes.Replace(input(noon, 3, true, "0s"), []byte("<constraints/>"), append([]byte("<constraints/><!--"), append(bytes.Repeat([]byte("x"), 200<<10), "-->"...)...), 1)) // too large
		testkit.Eventually(t, 30*time.Second, func() error {
			first, second := found(archives["n1"], cluster.HistoryFilter{}), found(archives["n2"], cluster.HistoryFilter{})
			if len(first) != 3 || len(second) != 2 || !slices.Contains(first, second[0]) || !slices.Contains(first, second[1]) {
				return fmt.Errorf("n1 has %v, n2 has %v", first, second)
			}
			return nil
		})
		// A failover has more of them within the pause between two talks.
		const more = 12
		for i := range more {
			put(fmt.Sprintf("pe-input-%d.bz2", 3+i), input(noon.Add(time.Duration(i)*time.Second), 4+i, true, "0s"))
		}
		testkit.Eventually(t, 30*time.Second, func() error {
			if first, second := found(archives["n1"], cluster.HistoryFilter{}), found(archives["n2"], cluster.HistoryFilter{}); len(first) != 3+more || len(second) != 2+more {
				return fmt.Errorf("n1 has %v, n2 has %v", first, second)
			}
			return nil
		})
	})
}
