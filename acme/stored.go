package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"thalassa/consul"
)

// A sealedRecord is what all nodes know of certificates with one identity, with the keys.
type sealedRecord struct {
	Record record            `json:"record"` // without a stand-in
	Texts  map[string]string `json:"texts"`  // in PEM, by digest
}

// A sealedAccount is an account with its key.
type sealedAccount struct {
	Account account `json:"account"`
	Text    string  `json:"text"` // of its key, in PEM
}

// An entry is a key in Consul, with one of the documents; with none it cannot be read.
type entry struct {
	index   uint64
	record  *sealedRecord
	account *sealedAccount
}

// maxSealed bounds a document in Consul, in bytes: what one transaction takes, in base64 and
// with the rest of it.
const maxSealed = 350 << 10

// documents own what is known of the keys below stored/ID/ in Consul, and write them.
type documents struct {
	kv      *kv
	session *session
	texts   Keys

	mu      sync.Mutex
	isRead  bool             // entries have been read once
	entries map[string]entry // never changed, but replaced
}

// follow keeps up with the documents until ctx ends, and calls changed after each change.
func (d *documents) follow(ctx context.Context, changed func(context.Context)) {
	d.kv.follow(ctx, d.kv.keys.stored(), "reading what all nodes know of orders", func(pairs []consul.Pair) error {
		entries, bad := map[string]entry{}, []string(nil)
		for _, pair := range pairs {
			name, e, err := d.open(pair)
			if err != nil {
				bad = append(bad, err.Error())
			}
			entries[name] = e
		}
		d.mu.Lock()
		d.entries, d.isRead = entries, true
		d.mu.Unlock()
		changed(ctx)
		if len(bad) > 0 {
			const most = 3
			return errors.New(strings.Join(bad[:min(len(bad), most)], "; "))
		}
		return nil
	})
}

// all are the entries as they were read last, by name. Nobody may change the map.
func (d *documents) all() map[string]entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries
}

// open reads a key below stored/ID/.
func (d *documents) open(pair consul.Pair) (name string, e entry, err error) {
	name = strings.TrimPrefix(pair.Key, d.kv.keys.stored())
	e.index = pair.Index
	if len(pair.Value) > maxSealed {
		return name, e, fmt.Errorf("%s has %d bytes, expected at most %d", name, len(pair.Value), maxSealed)
	}
	data, err := d.kv.Seal.Open(pair.Key, pair.Value)
	if err != nil {
		return name, e, fmt.Errorf("%s %w", name, err)
	}
	switch {
	case strings.HasPrefix(name, recordPrefix):
		var r sealedRecord
		if err = json.Unmarshal(data, &r); err == nil {
			err = r.check()
		}
		if err == nil {
			r.Record.StandIn = nil
			e.record = &r
		}
	case strings.HasPrefix(name, accountPrefix):
		var a sealedAccount
		if err = json.Unmarshal(data, &a); err == nil && digestOf([]byte(a.Text)) != a.Account.Key {
			err = errors.New("lacks its key")
		}
		if err == nil {
			e.account = &a
		}
	}
	if err != nil {
		return name, e, fmt.Errorf("%s is of another version of Thalassa: %w", name, err)
	}
	return name, e, nil
}

// check reports whether all texts are there that the record names.
func (r *sealedRecord) check() error {
	for _, digest := range r.Record.digests() {
		if text, ok := r.Texts[digest]; !ok || digestOf([]byte(text)) != digest {
			return errors.New("lacks a key")
		}
	}
	return nil
}

// texts are those that Keys stores.
func (r *sealedRecord) texts() map[string][]byte {
	out := map[string][]byte{}
	for _, digest := range r.Record.digests() {
		out[digest] = []byte(r.Texts[digest])
	}
	return out
}

// find is the entry of a name as it was read last.
func (d *documents) find(name string) entry { return d.all()[name] }

// lacks reports whether the others do not have what this node knows of an order.
func (d *documents) lacks(identity string, r *record) bool {
	d.mu.Lock()
	e, isRead := d.entries[recordPrefix+identity], d.isRead
	d.mu.Unlock()
	if !isRead || d.session.last() == nil || len(r.Files) == 0 && r.Order == nil {
		return false
	}
	return e.record == nil || r.isNewer(&e.record.Record)
}

// fetch reads what is stored of an order now; nil: nothing is that can be read. The caller has
// its lock.
func (d *documents) fetch(ctx context.Context, identity string) (*sealedRecord, error) {
	pair, isThere, err := d.kv.Consul.Pair(ctx, d.kv.keys.stored()+recordPrefix+identity)
	if err != nil {
		return nil, &waitError{text: "reading the state of the order: " + diagnosed(err).Error()}
	}
	e := entry{}
	if isThere {
		if _, e, err = d.open(pair); err != nil {
			d.kv.logger.WarnContext(ctx, "what is stored of an order cannot be read, and is replaced", "error", err)
		}
	}
	d.keep(recordPrefix+identity, e)
	return e.record, nil
}

// keep notes what is known to be in Consul.
func (d *documents) keep(name string, e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = maps.Clone(d.entries) // others read the former one
	d.entries[name] = e
}

// put stores a record for all nodes. The caller has its lock; the error says so if it has
// not any more.
func (d *documents) put(ctx context.Context, identity string, r *record) error {
	s, err := d.session.current()
	if err != nil {
		return err
	}
	doc := sealedRecord{Record: *r, Texts: map[string]string{}}
	doc.Record.StandIn = nil
	for _, digest := range doc.Record.digests() {
		text, err := d.texts.Text(digest)
		if err != nil {
			return err
		}
		doc.Texts[digest] = string(text)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	name := recordPrefix + identity
	key := d.kv.keys.stored() + name
	sealed := d.kv.Seal.Seal(key, data)
	if len(sealed) > maxSealed {
		return fmt.Errorf("certificate and key have %d bytes, expected at most %d", len(sealed), maxSealed)
	}
	for range maxTries {
		indexes, err := d.kv.sessions.Write(ctx, s.id, d.kv.keys.lock(identity), consul.Write{Key: key, Value: sealed, Index: d.find(name).index})
		if err == nil {
			d.keep(name, entry{index: indexes[key], record: &doc})
			return nil
		}
		if !errors.Is(err, consul.ErrChanged) {
			return diagnosed(err)
		}
		pair, isThere, err := d.kv.Consul.Pair(ctx, key)
		if err != nil {
			return diagnosed(err)
		}
		e := entry{}
		if isThere {
			_, e, _ = d.open(pair) // unreadable: it is replaced
		}
		if e.record != nil && !r.isNewer(&e.record.Record) {
			return consul.ErrChanged
		}
		d.keep(name, e)
	}
	return consul.ErrChanged
}

// maxTries bounds how often a write is repeated that somebody else has overtaken.
const maxTries = 3

// putAccount stores an account for all nodes, and returns the one that they have from now
// on: another node may have stored one first.
func (d *documents) putAccount(ctx context.Context, id string, a account) (account, error) {
	text, err := d.texts.Text(a.Key)
	if err != nil {
		return a, err
	}
	data, err := json.Marshal(sealedAccount{a, string(text)})
	if err != nil {
		return a, err
	}
	key := d.kv.keys.stored() + accountPrefix + id
	for range maxTries {
		pair, isThere, err := d.kv.Consul.Pair(ctx, key)
		if err != nil {
			return a, diagnosed(err)
		}
		if isThere {
			if _, e, err := d.open(pair); err == nil && e.account != nil && e.account.Account.Key != a.Key {
				return e.account.Account, d.texts.Put(map[string][]byte{e.account.Account.Key: []byte(e.account.Text)})
			}
		}
		done, err := d.kv.Consul.ReplacePair(ctx, key, d.kv.Seal.Seal(key, data), pair.Index)
		if err != nil || done {
			return a, diagnosed(err)
		}
	}
	return a, consul.ErrChanged
}

// sweep removes what has long ended, and is not wanted here.
func (d *documents) sweep(ctx context.Context, now time.Time, isWanted func(identity string) bool) {
	for name, e := range d.all() {
		if e.record == nil || isWanted(strings.TrimPrefix(name, recordPrefix)) {
			continue
		}
		end := e.record.Record.LastAttempt
		if leaf, ok := e.record.Record.leaf(); ok {
			end = leaf.NotAfter
		}
		if now.Sub(end) > keptAfterEnd {
			short, cancel := context.WithTimeout(ctx, storeTime)
			err := d.kv.Consul.RemovePair(short, d.kv.keys.stored()+name, e.index) // if nobody has changed it
			cancel()
			if err != nil {
				d.kv.logger.DebugContext(ctx, "former order not removed from consul", "error", diagnosed(err))
			}
		}
	}
}
