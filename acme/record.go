package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
)

// A record is what is known of certificates with one identity. It is never changed, but
// replaced.
type record struct {
	Domains   []string `json:"domains"`
	Directory string   `json:"directory"`
	KeyType   string   `json:"keyType"`
	// Files are what was issued last; StandIn is served until then.
	Files   []pemFile `json:"files,omitempty"`
	StandIn []pemFile `json:"standIn,omitempty"`
	// IssuedAt is when Files were stored, RenewAt when they are due for replacement.
	IssuedAt time.Time `json:"issuedAt,omitzero"`
	RenewAt  time.Time `json:"renewAt,omitzero"`
	// Order is under way; nil: none is.
	Order *order `json:"order,omitempty"`
	// Failures counts attempts that failed since the last success. NextAttempt is when the
	// next may be made, and Held until when the server refuses any.
	Failures    int       `json:"failures,omitempty"`
	LastAttempt time.Time `json:"lastAttempt,omitzero"`
	LastError   string    `json:"lastError,omitempty"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	Held        time.Time `json:"held,omitzero"`
	// Window is when the server wants the certificate renewed (RFC 9773); nil: it has not
	// said. LookAt is when it is asked again.
	Window *window   `json:"window,omitempty"`
	LookAt time.Time `json:"lookAt,omitzero"`
	// Sequence grows with each change that all nodes of a cluster know of.
	Sequence uint64 `json:"sequence,omitempty"`
}

// An order is one at a server. Without a URL it has not been made yet.
type order struct {
	Key            string    `json:"key"` // digest of its private key
	Begun          time.Time `json:"begun"`
	URL            string    `json:"url,omitempty"`
	Finalize       string    `json:"finalize,omitempty"`
	Authorizations []string  `json:"authorizations,omitempty"`
	Expires        time.Time `json:"expires,omitzero"`
}

// An account is one at a server.
type account struct {
	Directory string `json:"directory"`
	Email     string `json:"email,omitempty"`
	Key       string `json:"key"` // digest
	URL       string `json:"url,omitempty"`
}

// The keys of documents in Store begin with these.
const (
	recordPrefix  = "certificate/"
	accountPrefix = "account/"
)

// pemFile is an lb.PEMFile as it is stored.
type pemFile struct {
	Digest  string `json:"digest"`
	KeyType string `json:"keyType"`
	Chain   []x509 `json:"chain"`
}

type x509 struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Algorithm string    `json:"algorithm"`
	SHA256    string    `json:"sha256"`
}

func storedFiles(files []lb.PEMFile) []pemFile {
	out := make([]pemFile, len(files))
	for i, f := range files {
		out[i] = pemFile{Digest: f.Digest, KeyType: f.KeyType}
		for _, x := range f.Chain {
			out[i].Chain = append(out[i].Chain, x509(x))
		}
	}
	return out
}

func domainFiles(files []pemFile) []lb.PEMFile {
	out := make([]lb.PEMFile, len(files))
	for i, f := range files {
		out[i] = lb.PEMFile{Digest: f.Digest, KeyType: f.KeyType}
		for _, x := range f.Chain {
			out[i].Chain = append(out[i].Chain, lb.X509(x))
		}
	}
	return out
}

// leaf is the certificate that was issued last; false: there is none.
func (r *record) leaf() (x509, bool) {
	if r == nil || len(r.Files) == 0 || len(r.Files[0].Chain) == 0 {
		return x509{}, false
	}
	return r.Files[0].Chain[0], true
}

// digests are those of all texts in Keys that a record names.
func (r *record) digests() []string {
	var out []string
	for _, f := range slices.Concat(r.Files, r.StandIn) {
		out = append(out, f.Digest)
	}
	if r.Order != nil {
		out = append(out, r.Order.Key)
	}
	return out
}

// load reads what an earlier run has stored. What cannot be read is left out, which costs
// another order.
func (i *Issuer) load(ctx context.Context) error {
	docs, err := i.cfg.Store.LoadOrders(ctx)
	if err != nil {
		i.cfg.Logger.ErrorContext(ctx, "orders of certificates not read", "error", err)
	}
	for key, doc := range docs {
		var err error
		if identity, ok := strings.CutPrefix(key, recordPrefix); ok {
			var r record
			if err = json.Unmarshal(doc, &r); err == nil {
				i.records[identity] = &r
			}
		} else if id, ok := strings.CutPrefix(key, accountPrefix); ok {
			var a account
			if err = json.Unmarshal(doc, &a); err == nil {
				i.accounts[id] = &a
			}
		}
		if err != nil {
			i.cfg.Logger.ErrorContext(ctx, "order of a certificate not read", "key", key, "error", err)
		}
	}
	return ctx.Err()
}

// record is what is known of an identity; never nil.
func (i *Issuer) record(identity string) *record {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r := i.records[identity]; r != nil {
		return r
	}
	return &record{}
}

// update stores a changed record, and uses it from then on. After an error the former one
// is in use.
func (i *Issuer) update(ctx context.Context, identity string, change func(*record)) error {
	i.writing.Lock()
	defer i.writing.Unlock()
	next := *i.record(identity)
	change(&next)
	// What has been done at the server is stored though the attempt ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if i.pool == nil {
		return i.store(ctx, identity, &next)
	}
	next.Sequence++
	if e := i.pool.find(recordPrefix + identity); e.record != nil {
		next.Sequence = max(next.Sequence, e.record.Record.Sequence+1)
	}
	if err := i.pool.put(ctx, identity, &next); err != nil {
		return &waitError{text: "storing the state of the order for all nodes: " + errorText(err)}
	}
	// From now on it holds; the copy on this disk is for times without Consul.
	if err := i.store(ctx, identity, &next); err != nil {
		i.cfg.Logger.ErrorContext(ctx, "the state of an order is not on this node's disk", "error", err)
		i.mu.Lock()
		i.records[identity], i.unsaved[identity] = &next, true
		i.mu.Unlock()
	}
	return nil
}

// remember uses a record that cannot be stored now as long as this run lasts.
func (i *Issuer) remember(identity string, change func(*record)) {
	i.writing.Lock()
	defer i.writing.Unlock()
	next := *i.record(identity)
	change(&next)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.records[identity], i.unsaved[identity] = &next, true
}

// updateHere is update for what is of this node alone.
func (i *Issuer) updateHere(ctx context.Context, identity string, change func(*record)) error {
	i.writing.Lock()
	defer i.writing.Unlock()
	next := *i.record(identity)
	change(&next)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	return i.store(ctx, identity, &next)
}

// store stores a record on this node's disk, and uses it from then on. The caller holds
// writing.
func (i *Issuer) store(ctx context.Context, identity string, r *record) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := i.cfg.Store.SaveOrder(ctx, recordPrefix+identity, doc); err != nil {
		return fmt.Errorf("storing the state of the order: %w", err)
	}
	i.mu.Lock()
	i.records[identity] = r
	delete(i.unsaved, identity)
	i.mu.Unlock()
	return nil
}

// saveAccount stores an account and returns the one to use from then on, which another node
// may have made first.
func (i *Issuer) saveAccount(ctx context.Context, id string, a account) (account, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if i.pool != nil {
		var err error
		if a, err = i.pool.putAccount(ctx, id, a); err != nil {
			return a, &waitError{text: "storing the account for all nodes: " + errorText(err)}
		}
	}
	return a, i.storeAccount(ctx, id, a)
}

// storeAccount stores an account on this node's disk, and uses it from then on.
func (i *Issuer) storeAccount(ctx context.Context, id string, a account) error {
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := i.cfg.Store.SaveOrder(ctx, accountPrefix+id, doc); err != nil {
		return fmt.Errorf("storing the account: %w", err)
	}
	i.mu.Lock()
	i.accounts[id] = &a
	i.mu.Unlock()
	return nil
}

// storeTime bounds the wait for the store.
const storeTime = 10 * time.Second

// KeysInUse adds the digests of all texts in Keys that orders, accounts and issued
// certificates name.
func (i *Issuer) KeysInUse(inUse map[string]bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.records {
		for _, digest := range r.digests() {
			inUse[digest] = true
		}
	}
	for _, a := range i.accounts {
		inUse[a.Key] = true
	}
}

// Bounds of what is kept of certificates that nobody asks for any more.
const (
	keptAfterEnd = 30 * 24 * time.Hour
	maxRecords   = 5000
)

// forget removes records that nobody asks for, and whose certificates have long ended.
func (i *Issuer) forget(ctx context.Context) {
	i.mu.Lock()
	var gone []string
	for identity, r := range i.records {
		leaf, ok := r.leaf()
		isOld := !ok || i.cfg.Now().Sub(leaf.NotAfter) > keptAfterEnd
		if i.wanted[identity] == nil && r.Order == nil && (isOld || len(i.records)-len(gone) > maxRecords) {
			gone = append(gone, identity)
		}
	}
	i.mu.Unlock()
	for _, identity := range gone {
		if err := i.cfg.Store.DeleteOrder(ctx, recordPrefix+identity); err != nil {
			i.cfg.Logger.WarnContext(ctx, "former order not removed", "error", err)
			return
		}
		i.mu.Lock()
		delete(i.records, identity)
		i.mu.Unlock()
	}
	if i.pool != nil {
		i.pool.sweep(ctx)
	}
}

// isWanted reports whether this node is to have a certificate.
func (i *Issuer) isWanted(identity string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.wanted[identity] != nil
}
