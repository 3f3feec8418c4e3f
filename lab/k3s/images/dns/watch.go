package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

type object struct {
	Metadata struct{ Name, Namespace, UID, ResourceVersion string }
	Spec     struct {
		Type, ClusterIP, ExternalName string
		PublishNotReadyAddresses      bool
		Ports                         []port
	}
	Subsets []struct {
		Addresses, NotReadyAddresses []address
		Ports                        []port
	}
}

type port struct {
	Name, Protocol string
	Port           int
}

type address struct{ IP, Hostname string }

// follow keeps the objects at path up to date for ever and hands over the whole set after each change. While the API
// is away the last set stays in use: answers grow old, but they do not stop.
func follow(path string, set func(map[string]object)) {
	for {
		if err := followOnce(path, set); err != nil {
			log.Printf("%s: %v", path, err)
		}
		time.Sleep(time.Second)
	}
}

func followOnce(path string, set func(map[string]object)) error {
	client, err := newClient()
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []object
	}
	answer, err := request(client, path)
	if err != nil {
		return err
	}
	err = json.NewDecoder(answer.Body).Decode(&list)
	answer.Body.Close()
	if err != nil {
		return err
	}
	objects := map[string]object{}
	for _, item := range list.Items {
		objects[item.Metadata.UID] = item
	}
	set(objects)

	answer, err = request(client, fmt.Sprintf("%s?watch=1&timeoutSeconds=900&resourceVersion=%s", path, list.Metadata.ResourceVersion))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for events := json.NewDecoder(answer.Body); ; {
		var event struct {
			Type   string
			Object object
		}
		if err := events.Decode(&event); err != nil {
			return nil // the server ends a watch now and then
		}
		switch event.Type {
		case "ERROR":
			return nil
		case "DELETED":
			delete(objects, event.Object.Metadata.UID)
		default:
			objects[event.Object.Metadata.UID] = event.Object
		}
		set(objects)
	}
}

func newClient() (*http.Client, error) {
	pem, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Client{Transport: &http.Transport{
		DialContext:     dialer.DialContext,
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}, nil
}

func request(client *http.Client, path string) (*http.Response, error) {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return nil, err
	}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	call, err := http.NewRequest("GET", "https://"+host+path, nil)
	if err != nil {
		return nil, err
	}
	call.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := client.Do(call)
	if err == nil && answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		err = fmt.Errorf("%s", answer.Status)
	}
	return answer, err
}
