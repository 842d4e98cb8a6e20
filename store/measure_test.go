package store_test
import ("testing";"time";"fmt";"os";"path/filepath";"thalassa/store";"thalassa/store/storetest";"thalassa/lb")
func TestMeasureTmp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	db := open(t, path, store.Options{})
	in := storetest.Sample("1")
	for i := range 500 {
		b := in.Backends["live"]; b.Key = lb.Name(fmt.Sprint("be-", i)); in.Backends[b.Key] = b
	}
	db.Commit(t.Context(), 0, in, lb.Stamp{})
	tm := func(what string, f func()) { s := time.Now(); f(); t.Log(what, time.Since(s)) }
	tm("load", func() { db.Load(t.Context()) })
	for n := range 10000 {
		next := lb.Intent{Frontends: in.Frontends, Backends: map[lb.Name]lb.Backend{}}
		for k, v := range in.Backends { next.Backends[k] = v }
		b := in.Backends["live"]; b.Version = lb.Version(fmt.Sprint(n)); next.Backends["live"] = b
		s := time.Now()
		if _, err := db.Commit(t.Context(), uint64(n+1), next, lb.Stamp{}); err != nil { t.Fatal(err) }
		if n % 2000 == 0 { t.Log("commit", time.Since(s)) }
		if n == 3000 { break }
	}
	for n := range 100 {
		s := time.Now()
		db.AppendEvents(t.Context(), events(n*100+1, 100))
		if n % 20 == 0 { t.Log("append100", time.Since(s)) }
	}
	tm("load", func() { db.Load(t.Context()) })
	db.Close()
	i, _ := os.Stat(path)
	t.Log(i.Size())
	tm("open", func() { db = open(t, path, store.Options{}) })
}
