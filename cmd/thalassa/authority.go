package main

import (
	"errors"
	"time"

	"thalassa/auth"
	"thalassa/lb"
	"thalassa/settings"
)

// authority opens the token file and the access file; nil: there is neither.
func (n node) authority() (*auth.Authority, error) {
	var (
		tokens *auth.Tokens
		access *auth.Access
		err    error
	)
	if file := n.settings.TokenFile(); file != "" {
		if tokens, err = auth.Open(file, n.log); err != nil {
			return nil, settings.Error{Err: err}
		}
	}
	if file := n.settings.AccessFile(); file != "" {
		if access, err = auth.OpenAccess(file, time.Now, n.log); err != nil {
			return nil, settings.Error{Err: err}
		}
	}
	return auth.NewAuthority(tokens, access), nil
}

// mayDeploy asks whether the owner of a name has the right to deploy a backend now; nil where
// everybody has it.
func mayDeploy(authority *auth.Authority) func(name string, backend lb.Name) error {
	if authority == nil {
		return nil
	}
	return func(name string, backend lb.Name) error {
		if authority.AllowsNow(name, auth.Deploy, lb.Backend{Key: backend}.ID()) {
			return nil
		}
		return errors.New("has no token or user any more with the role " + auth.Deploy.String() + " or above for that backend")
	}
}
