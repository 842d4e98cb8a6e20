package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"thalassa/lb"
)

// An account is one at a server.
type account struct {
	Directory string `json:"directory"`
	Email     string `json:"email,omitempty"`
	Key       string `json:"key"` // digest
	URL       string `json:"url,omitempty"`
}

// accountID names the account of a server and a mail address.
func accountID(a lb.ACME) string {
	return lb.ACME{Directory: a.Directory, KeyType: "account", Domains: []string{a.Email}}.Identity()
}

// accounts own the accounts at servers, by accountID.
type accounts struct {
	store  Store
	keys   Keys
	shared *documents // nil: this node orders on its own

	registering sync.Mutex // held while an account is made

	mu  sync.Mutex // guards what follows; nothing waits while it is held
	all map[string]*account
}

// restore uses an account that an earlier run has stored.
func (s *accounts) restore(id string, doc []byte) error {
	var a account
	if err := json.Unmarshal(doc, &a); err != nil {
		return err
	}
	s.use(id, a)
	return nil
}

// known is an account; nil: there is none yet.
func (s *accounts) known(id string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id]
}

// making waits until nobody else makes an account, and keeps others from it until done is called.
func (s *accounts) making() (done func()) {
	s.registering.Lock()
	return s.registering.Unlock
}

// put stores an account and returns the one to use from then on, which another node may have
// made first.
func (s *accounts) put(ctx context.Context, id string, a account) (account, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if s.shared != nil {
		var err error
		if a, err = s.shared.putAccount(ctx, id, a); err != nil {
			return a, &waitError{text: "storing the account for all nodes: " + errorText(err)}
		}
	}
	return a, s.save(ctx, id, a)
}

// adopt takes over an account that another node has stored.
func (s *accounts) adopt(ctx context.Context, id string, sealed *sealedAccount) error {
	if known := s.known(id); known != nil && *known == sealed.Account {
		return nil
	}
	if err := s.keys.Put(map[string][]byte{sealed.Account.Key: []byte(sealed.Text)}); err != nil {
		return err
	}
	return s.save(ctx, id, sealed.Account)
}

// save stores an account on this node's disk, and uses it from then on.
func (s *accounts) save(ctx context.Context, id string, a account) error {
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := s.store.SaveOrder(ctx, accountPrefix+id, doc); err != nil {
		return fmt.Errorf("storing the account: %w", err)
	}
	s.use(id, a)
	return nil
}

func (s *accounts) use(id string, a account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id] = &a
}

// keysInUse adds the digests of the keys of all accounts.
func (s *accounts) keysInUse(inUse map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.all {
		inUse[a.Key] = true
	}
}
