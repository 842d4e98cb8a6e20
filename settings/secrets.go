package settings

import "os"

// OpenSecrets lists the settings whose files hold a secret that every user of the machine may read:
// Consul's token and key, the API's key, the key of the stored certificates, tokens and keys for
// other servers and clusters, and the credentials of the artifact repository. Files that do not exist, or cannot be examined, are left out.
func (s *Agent) OpenSecrets() (settings, files []string) {
	for _, one := range append([]struct{ setting, path string }{
		{"consul-token-file", s.consulToken},
		{"consul-key-file", s.consulKey},
		{"tls-key", s.tlsKey},
		{"key-file", s.keyFile},
		{"v1-artifacts-credentials", s.v1.credentials},
	}, append(s.acme.secrets(), s.clusterSecrets()...)...) {
		if one.path == "" {
			continue
		}
		if info, err := os.Stat(one.path); err == nil && info.Mode().Perm()&0o004 != 0 {
			settings, files = append(settings, one.setting), append(files, one.path)
		}
	}
	return settings, files
}
