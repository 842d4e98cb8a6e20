package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/consul"
	"thalassa/internal/wake"
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

// open reads a key below stored/ID/.
func (p *pool) open(pair consul.Pair) (name string, e entry, err error) {
	name = strings.TrimPrefix(pair.Key, p.keys.stored())
	e.index = pair.Index
	if len(pair.Value) > maxSealed {
		return name, e, fmt.Errorf("%s has %d bytes, expected at most %d", name, len(pair.Value), maxSealed)
	}
	data, err := p.cfg.Seal.Open(pair.Key, pair.Value)
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

// isNewer reports whether a record replaces another one of the same identity: it has the
// certificate that was issued later by the clock of the server, or else was changed later.
// So whoever gives out a former document brings nothing back.
func (r *record) isNewer(than *record) bool {
	a, _ := r.leaf()
	b, _ := than.leaf()
	if !a.NotBefore.Equal(b.NotBefore) {
		return a.NotBefore.After(b.NotBefore)
	}
	return r.Sequence > than.Sequence
}

// followStored keeps up with the documents until ctx ends.
func (p *pool) followStored(ctx context.Context) {
	p.follow(ctx, p.keys.stored(), "reading what all nodes know of orders", func(pairs []consul.Pair) error {
		entries, bad := map[string]entry{}, []string(nil)
		for _, pair := range pairs {
			name, e, err := p.open(pair)
			if err != nil {
				bad = append(bad, err.Error())
			}
			entries[name] = e
		}
		p.mu.Lock()
		p.entries, p.isRead = entries, true
		p.mu.Unlock()
		p.adopt(ctx)
		p.i.look()
		if len(bad) > 0 {
			const most = 3
			return errors.New(strings.Join(bad[:min(len(bad), most)], "; "))
		}
		return nil
	})
}

// errHidden says that Consul has left keys out.
var errHidden = errors.New("consul hides keys: the agent's token needs key_prefix for acme-kv-prefix with the policy write")

// follow calls each with the pairs below a prefix whenever they have changed.
func (p *pool) follow(ctx context.Context, prefix, doing string, each func([]consul.Pair) error) {
	list := func(ctx context.Context, index uint64, wait time.Duration) ([]consul.Pair, uint64, error) {
		pairs, meta, err := p.cfg.Consul.Pairs(ctx, prefix, index, wait)
		if err == nil && meta.Filtered {
			return nil, 0, errHidden
		}
		return pairs, meta.Index, err
	}
	consul.Follow(ctx, list, func(pairs []consul.Pair, err error) {
		switch {
		case err == nil:
			err = each(pairs)
		case !errors.Is(err, errHidden):
			err = diagnosed(err)
		}
		p.note(doing, err)
	})
}

// adopt takes over what others have stored of the orders that this node wants, and accounts.
func (p *pool) adopt(ctx context.Context) {
	p.mu.Lock()
	entries := p.entries
	p.mu.Unlock()
	for name, e := range entries {
		var err error
		switch {
		case e.account != nil:
			err = adoptAccount(ctx, p.i, strings.TrimPrefix(name, accountPrefix), e.account)
		case e.record != nil:
			if identity := strings.TrimPrefix(name, recordPrefix); p.i.isWanted(identity) {
				err = adoptRecord(ctx, p.i, identity, e.record)
			}
		}
		p.note("storing here what another node has ordered", err)
		if err != nil {
			return // a full disk, most likely: adoptAgain tries again
		}
	}
}

// adoptAgain takes over what this node's disk could not take.
func (p *pool) adoptAgain(ctx context.Context) {
	for wake.Pause(ctx, p.i.cfg.LookEvery) == nil {
		p.adopt(ctx)
	}
}

// find is the entry of a name as it was read last.
func (p *pool) find(name string) entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[name]
}

// lacks reports whether the others do not have what this node knows of an order.
func (p *pool) lacks(identity string, r *record) bool {
	p.mu.Lock()
	e, isRead, s := p.entries[recordPrefix+identity], p.isRead, p.session
	p.mu.Unlock()
	if !isRead || s == nil || len(r.Files) == 0 && r.Order == nil {
		return false
	}
	return e.record == nil || r.isNewer(&e.record.Record)
}

// fetch takes over what is stored of an order now. The caller has its lock.
func (p *pool) fetch(ctx context.Context, identity string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	key := p.keys.stored() + recordPrefix + identity
	pair, isThere, err := p.cfg.Consul.Pair(ctx, key)
	if err != nil {
		return &waitError{text: "reading the state of the order: " + diagnosed(err).Error()}
	}
	e := entry{}
	if isThere {
		if _, e, err = p.open(pair); err != nil {
			p.logger.WarnContext(ctx, "what is stored of an order cannot be read, and is replaced", "error", err)
		}
	}
	p.keep(recordPrefix+identity, e)
	if e.record != nil {
		if err := adoptRecord(ctx, p.i, identity, e.record); err != nil {
			return &waitError{text: "storing what another node has ordered: " + err.Error()}
		}
	}
	if r := p.i.record(identity); p.lacks(identity, r) {
		return p.i.update(ctx, identity, func(*record) {})
	}
	return nil
}

// keep notes what is known to be in Consul.
func (p *pool) keep(name string, e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = maps.Clone(p.entries) // others read the former one
	p.entries[name] = e
}

// put stores a record for all nodes. The caller has its lock; the error says so if it has
// not any more.
func (p *pool) put(ctx context.Context, identity string, r *record) error {
	s, err := p.current()
	if err != nil {
		return err
	}
	doc := sealedRecord{Record: *r, Texts: map[string]string{}}
	doc.Record.StandIn = nil
	for _, digest := range doc.Record.digests() {
		text, err := p.i.cfg.Keys.Text(digest)
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
	key := p.keys.stored() + name
	sealed := p.cfg.Seal.Seal(key, data)
	if len(sealed) > maxSealed {
		return fmt.Errorf("certificate and key have %d bytes, expected at most %d", len(sealed), maxSealed)
	}
	for range maxTries {
		indexes, err := p.sessions.Write(ctx, s.id, p.keys.lock(identity), consul.Write{Key: key, Value: sealed, Index: p.find(name).index})
		if err == nil {
			p.keep(name, entry{index: indexes[key], record: &doc})
			return nil
		}
		if !errors.Is(err, consul.ErrChanged) {
			return diagnosed(err)
		}
		pair, isThere, err := p.cfg.Consul.Pair(ctx, key)
		if err != nil {
			return diagnosed(err)
		}
		e := entry{}
		if isThere {
			_, e, _ = p.open(pair) // unreadable: it is replaced
		}
		if e.record != nil && !r.isNewer(&e.record.Record) {
			return consul.ErrChanged
		}
		p.keep(name, e)
	}
	return consul.ErrChanged
}

// maxTries bounds how often a write is repeated that somebody else has overtaken.
const maxTries = 3

// putAccount stores an account for all nodes, and returns the one that they have from now
// on: another node may have stored one first.
func (p *pool) putAccount(ctx context.Context, id string, a account) (account, error) {
	text, err := p.i.cfg.Keys.Text(a.Key)
	if err != nil {
		return a, err
	}
	data, err := json.Marshal(sealedAccount{a, string(text)})
	if err != nil {
		return a, err
	}
	key := p.keys.stored() + accountPrefix + id
	for range maxTries {
		pair, isThere, err := p.cfg.Consul.Pair(ctx, key)
		if err != nil {
			return a, diagnosed(err)
		}
		if isThere {
			if _, e, err := p.open(pair); err == nil && e.account != nil && e.account.Account.Key != a.Key {
				return e.account.Account, p.i.cfg.Keys.Put(map[string][]byte{e.account.Account.Key: []byte(e.account.Text)})
			}
		}
		done, err := p.cfg.Consul.ReplacePair(ctx, key, p.cfg.Seal.Seal(key, data), pair.Index)
		if err != nil || done {
			return a, diagnosed(err)
		}
	}
	return a, consul.ErrChanged
}

// sweep removes what has long ended, and is not wanted here.
func (p *pool) sweep(ctx context.Context) {
	p.mu.Lock()
	entries := p.entries
	p.mu.Unlock()
	for name, e := range entries {
		if e.record == nil || p.i.isWanted(strings.TrimPrefix(name, recordPrefix)) {
			continue
		}
		end := e.record.Record.LastAttempt
		if leaf, ok := e.record.Record.leaf(); ok {
			end = leaf.NotAfter
		}
		if p.i.cfg.Now().Sub(end) > keptAfterEnd {
			short, cancel := context.WithTimeout(ctx, storeTime)
			err := p.cfg.Consul.RemovePair(short, p.keys.stored()+name, e.index) // if nobody has changed it
			cancel()
			if err != nil {
				p.logger.DebugContext(ctx, "former order not removed from consul", "error", diagnosed(err))
			}
		}
	}
}

// adoptRecord takes over a record that another node has stored, if it is newer. After an
// error nothing has changed.
func adoptRecord(ctx context.Context, i *Issuer, identity string, s *sealedRecord) error {
	i.writing.Lock()
	defer i.writing.Unlock()
	before := i.record(identity)
	if !s.Record.isNewer(before) {
		return nil
	}
	if err := i.cfg.Keys.Put(s.texts()); err != nil {
		return err
	}
	next := s.Record
	next.StandIn = before.StandIn
	if err := i.store(ctx, identity, &next); err != nil {
		return err
	}
	isSame := slices.EqualFunc(before.Files, next.Files, func(a, b pemFile) bool { return a.Digest == b.Digest })
	i.mu.Lock()
	w := i.wanted[identity]
	i.mu.Unlock()
	if !isSame && w != nil {
		i.issued(ctx, w, before, "another node has ordered it")
	}
	return nil
}

// adoptAccount takes over an account that another node has stored.
func adoptAccount(ctx context.Context, i *Issuer, id string, s *sealedAccount) error {
	i.mu.Lock()
	known := i.accounts[id]
	i.mu.Unlock()
	if known != nil && *known == s.Account {
		return nil
	}
	if err := i.cfg.Keys.Put(map[string][]byte{s.Account.Key: []byte(s.Text)}); err != nil {
		return err
	}
	return i.storeAccount(ctx, id, s.Account)
}

// saveUnsaved stores records that are in use and not on disk.
func (i *Issuer) saveUnsaved(ctx context.Context) {
	i.writing.Lock()
	defer i.writing.Unlock()
	i.mu.Lock()
	left := slices.Sorted(maps.Keys(i.unsaved))
	i.mu.Unlock()
	for _, identity := range left {
		short, cancel := context.WithTimeout(ctx, storeTime)
		err := i.store(short, identity, i.record(identity))
		cancel()
		if err != nil {
			return
		}
	}
}
