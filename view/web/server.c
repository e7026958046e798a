/* SPDX-License-Identifier: MIT */
/* `viewpi web`: from a connection to answer_make(), and back. */
#include "view/web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "common/base/log.h"
#include "view/web/answer.h"
#include "view/web/auth.h"
#include "view/web/connections.h"

#define FIND_SECONDS 1 /* a new archive shows so much later */
#define WAIT_SECONDS 50 /* of a long request; less than proxies allow */
#define SILENT_SECONDS 20 /* a client that takes its answer may be silent for so long */
#define STACK_BYTES (512 * 1024)

const struct cli_option web_options[] = {
	{ "port", 'p', "PORT", "on localhost; 8484. Not where systemd holds the socket" },
	{ .name = NULL },
};

/* What places_find() found, for all who ask at about the same time. */
struct found {
	struct places *places;
	int64_t since_ns;
	int users;
};

struct server {
	const struct view_settings *settings;
	struct MHD_Daemon *daemon;
	struct connections connections;
	struct auth auth;
	pthread_mutex_t turns[TURNS];
	pthread_mutex_t finds; /* of `found` and its users */
	struct found *found;
	char host[HOST_NAME_MAX + 1]; /* this machine's name */
	atomic_bool stops;
	atomic_llong asked_ns; /* the last request, CLOCK_MONOTONIC */
};

/* What is kept of a request while libmicrohttpd reads it. */
struct asked {
	bool complete; /* the next call is the one that answers */
	char target[TARGET_MAX + 2]; /* cut; what is as long as this is refused */
};

/* ---- one answer */

static const char *header_get(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct MHD_Response *response_new(struct answer *answer)
{
	struct MHD_Response *response;

	if (answer->fd >= 0) {
		response = MHD_create_response_from_fd_at_offset64(
			(uint64_t)answer->length, answer->fd, (uint64_t)answer->first);
		if (response)
			answer->fd = -1;
	} else if (answer->body) {
		response = MHD_create_response_from_buffer(
			answer->bytes, answer->body, MHD_RESPMEM_MUST_FREE);
		if (response)
			answer->body = NULL;
	} else {
		response = MHD_create_response_from_buffer(
			answer->bytes, (void *)answer->text, MHD_RESPMEM_PERSISTENT);
	}
	return response;
}

static void response_add_headers(struct MHD_Response *response, const struct answer *answer)
{
	char text[128];

	for (const struct answer_header *h = answer_headers; h->name; h++)
		MHD_add_response_header(response, h->name, h->value);
	if (answer->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	if (*answer->etag)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, answer->etag);
	if (answer->modified_us != TIME_NONE)
		MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED,
			http_date(answer->modified_us, text));
	if (*answer->location)
		MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, answer->location);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
		answer->is_final ? "private, max-age=86400" : "private, no-cache");
	if (answer->total > 0)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	if (answer->status == 206)
		snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)answer->first,
			(long long)(answer->first + answer->length - 1), (long long)answer->total);
	if (answer->status == 416)
		snprintf(text, sizeof(text), "bytes */%lld", (long long)answer->total);
	if (answer->status == 206 || answer->status == 416)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	if (answer->status == 401)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
			"Basic realm=\"viewpi\", charset=\"UTF-8\"");
	if (answer->status == 405)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (answer->status == 429)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "60");
}

static int connection_fd(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void server_note(
	struct server *server, struct MHD_Connection *connection, enum connection_state state)
{
	connections_note(
		&server->connections, connection_fd(connection), state, clock_mono_ns(&clock_real));
}

/* 0, or the status that refuses it. */
static int server_admit(struct server *server, struct MHD_Connection *connection)
{
	static const int refusals[] = {
		[AUTH_ADMITS] = 0, [AUTH_REFUSES] = 401, [AUTH_LATER] = 429
	};
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	enum auth_verdict verdict;
	struct origin origin;
	char *password = NULL, *user;

	origin_read(info->client_addr, header_get(connection, "X-Forwarded-For"), &origin);
	user = MHD_basic_auth_get_username_password(connection, &password);
	verdict = auth_check(&server->auth, &origin, user ? password : NULL);
	MHD_free(user);
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(password);
	if (verdict == AUTH_OPEN)
		return host_is_own(header_get(connection, MHD_HTTP_HEADER_HOST), server->host)
			? 0
			: 421;
	return refusals[verdict];
}

static void found_drop(struct found *found)
{
	if (found && --found->users == 0) {
		free(found->places);
		free(found);
	}
}

/* This machine's archives, looked for once in FIND_SECONDS; NULL: no memory. */
static struct found *server_find(struct server *server)
{
	const int64_t now_ns = clock_mono_ns(&clock_real);
	struct found *found;

	pthread_mutex_lock(&server->finds);
	found = server->found;
	if (!found || now_ns - found->since_ns > FIND_SECONDS * NS_PER_SEC) {
		found_drop(found);
		found = calloc(1, sizeof(*found));
		if (found && places_find(server->settings, &found->places) < 0) {
			free(found);
			found = NULL;
		}
		if (found)
			*found = (struct found){ found->places, now_ns, 1 };
		server->found = found;
	}
	if (found)
		found->users++;
	pthread_mutex_unlock(&server->finds);
	return found;
}

static void server_leave(struct server *server, struct found *found)
{
	pthread_mutex_lock(&server->finds);
	found_drop(found);
	pthread_mutex_unlock(&server->finds);
}

/* Waits for the turn of that kind; false: the connection was told to end meanwhile. */
static bool server_take_turn(struct server *server, int fd, enum answer_turn turn)
{
	struct timespec until;

	do {
		if (connections_end(&server->connections, fd))
			return false;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 50 * 1000 * 1000;
		until.tv_sec += until.tv_nsec / NS_PER_SEC;
		until.tv_nsec %= NS_PER_SEC;
	} while (pthread_mutex_timedlock(&server->turns[turn], &until) != 0);
	return true;
}

/* Makes the answer, once there is one. */
static void server_wait(struct server *server, int fd, const struct places *places,
	const struct web_request *request, struct answer *answer)
{
	const struct timespec pause = { .tv_nsec = 250 * 1000 * 1000 };
	const int64_t end_ns = clock_mono_ns(&clock_real) + WAIT_SECONDS * NS_PER_SEC;
	const enum answer_turn turn = answer_turn(request->target);

	for (;;) {
		const bool may_wait = !server->stops && clock_mono_ns(&clock_real) < end_ns &&
			!connections_end(&server->connections, fd);

		if (turn && !server_take_turn(server, fd, turn)) {
			answer_refuse(503, answer);
			return;
		}
		answer_make(places, request, may_wait, answer);
		if (turn)
			pthread_mutex_unlock(&server->turns[turn]);
		if (!answer->waits)
			return;
		nanosleep(&pause, NULL);
	}
}

static bool request_has_body(struct MHD_Connection *connection)
{
	const char *length = header_get(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return header_get(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
		(length && strcmp(length, "0") != 0);
}

static void server_make(struct server *server, struct MHD_Connection *connection,
	const char *method, const char *target, bool reads, struct answer *answer)
{
	const struct web_request request = {
		.method = method,
		.target = target,
		.if_match = header_get(connection, MHD_HTTP_HEADER_IF_MATCH),
		.if_unmodified_since = header_get(connection, MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE),
		.if_none_match = header_get(connection, MHD_HTTP_HEADER_IF_NONE_MATCH),
		.if_modified_since = header_get(connection, MHD_HTTP_HEADER_IF_MODIFIED_SINCE),
		.range = header_get(connection, MHD_HTTP_HEADER_RANGE),
		.if_range = header_get(connection, MHD_HTTP_HEADER_IF_RANGE),
		.clock = &clock_real,
	};
	int status = server_admit(server, connection);
	struct found *found = status ? NULL : server_find(server);

	if (status == 0 && reads && request_has_body(connection))
		status = 413;
	if (status || !found)
		answer_refuse(status ? status : 503, answer);
	else
		server_wait(server, connection_fd(connection), found->places, &request, answer);
	server_leave(server, found);
}

static enum MHD_Result server_answer(void *data, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **state)
{
	struct server *server = data;
	struct asked *asked = *state;
	const bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	struct MHD_Response *response;
	enum MHD_Result result = MHD_NO;
	struct answer answer;

	(void)url;
	(void)version;
	(void)upload;
	if (!asked || *upload_bytes > 0)
		return MHD_NO; /* nobody reads what is sent here */
	if (!asked->complete && reads && !request_has_body(connection)) {
		/* answering at this first call ends the connection, which others deserve */
		asked->complete = true;
		return MHD_YES;
	}
	server_note(server, connection, CONNECTION_WAITS);
	server_make(server, connection, method, asked->target, reads, &answer);
	response = response_new(&answer);
	if (response) {
		response_add_headers(response, &answer);
		result = MHD_queue_response(connection, (unsigned)answer.status, response);
		MHD_destroy_response(response);
	}
	answer_clear(&answer);
	server_note(server, connection, CONNECTION_TAKES);
	server->asked_ns = clock_mono_ns(&clock_real);
	return result;
}

/* The target as it was sent: libmicrohttpd would decode it, and twice is once too often. */
static void *server_begin(void *data, const char *uri, struct MHD_Connection *connection)
{
	struct asked *asked = calloc(1, sizeof(*asked));

	(void)data;
	(void)connection;
	if (asked)
		snprintf(asked->target, sizeof(asked->target), "%s", uri);
	return asked;
}

static void server_end(void *data, struct MHD_Connection *connection, void **asked,
	enum MHD_RequestTerminationCode how)
{
	(void)how;
	server_note(data, connection, CONNECTION_ASKS);
	free(*asked);
	*asked = NULL;
}

static void server_connection(void *data, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *server = data;

	(void)context;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
		connections_remove(&server->connections, connection_fd(connection));
}

/* ---- the socket */

/* -errno. */
static int server_listen(uint16_t port, int *ret_fd)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void server_accept(struct server *server, int listener)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	const int64_t now_ns = clock_mono_ns(&clock_real);
	struct origin origin;
	int fd =
		accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED)
			nanosleep(&pause, NULL); /* the machine has no descriptors now */
		return;
	}
	origin_read((struct sockaddr *)&address, NULL, &origin);
	connections_add(&server->connections, fd, &origin, now_ns);
	if (MHD_add_connection(server->daemon, fd, (struct sockaddr *)&address, size) != MHD_YES)
		connections_remove(&server->connections, fd);
}

/* Until a signal comes or, if `may_end`, the end of all interest. */
static void server_run(struct server *server, int listener, int signals, bool may_end)
{
	struct pollfd polled[] = { { .fd = signals, .events = POLLIN }, { .events = POLLIN } };

	for (;;) {
		const int64_t now_ns = clock_mono_ns(&clock_real);
		const bool room = connections_settle(&server->connections, now_ns);

		if (may_end && connections_count(&server->connections) == 0 &&
			now_ns - server->asked_ns > server->settings->linger_us * NS_PER_US)
			return;
		/* the others wait in the kernel's queue until those that have to go are gone */
		polled[1].fd = room ? listener : -1;
		polled[1].revents = 0;
		if (poll(polled, 2, room ? 1000 : 2) < 0 && errno != EINTR)
			return;
		if (polled[0].revents)
			return;
		if (polled[1].revents)
			server_accept(server, listener);
	}
}

/* Connections come by server_accept() alone, which knows whom to let in. */
static struct MHD_Daemon *server_start(struct server *server)
{
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			MHD_USE_POLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
		0, NULL, NULL, server_answer, server, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX + 1, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)SILENT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(16 * 1024),
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
		server_begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, server_end, server,
		MHD_OPTION_NOTIFY_CONNECTION, server_connection, server,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

/* SIGTERM and SIGINT as a descriptor; each thread has them blocked from then on. -errno. */
static int server_block_signals(int *ret_fd)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int command_web(struct cli *cli)
{
	CLEANUP_FREE void *settings = NULL;
	CLEANUP_FREE struct server *server = calloc(1, sizeof(*server));
	CLEANUP_FD int signals = -1;
	int64_t port = SERVER_PORT;
	const int inherited = sd_listen_fds(1);
	int fd = SD_LISTEN_FDS_START, r = cli_settings(cli, CLI_LENIENT, &settings);

	if (r == CLI_OK)
		r = cli_number(cli, "port", 0, 65535, SERVER_PORT, &port);
	if (r != CLI_OK || !server)
		return r == CLI_OK ? CLI_INTERNAL : r;
	mallopt(M_ARENA_MAX, 2); /* else a hundred threads keep heaps of their own */
	server->settings = settings;
	server->asked_ns = clock_mono_ns(&clock_real);
	pthread_mutex_init(&server->connections.lock, NULL);
	pthread_mutex_init(&server->finds, NULL);
	for (int i = 0; i < TURNS; i++)
		pthread_mutex_init(&server->turns[i], NULL);
	gethostname(server->host, sizeof(server->host) - 1);
	view_settings_use_zone(server->settings);
	if (inherited < 1 && (r = server_listen((uint16_t)port, &fd)) < 0) {
		cli_error(cli, "port %lld of localhost: %s; see --port", (long long)port,
			strerror(-r));
		return CLI_INTERNAL;
	}
	r = auth_init(&server->auth, &clock_real);
	if (r == 0)
		r = server_block_signals(&signals);
	if (r == 0 && !(server->daemon = server_start(server)))
		r = -errno;
	if (r < 0) {
		cli_error(cli, "the server cannot be started: %s", strerror(-r));
		return CLI_INTERNAL;
	}
	if (inherited < 1)
		log_notice("open http://localhost:%lld/", (long long)port);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	server_run(server, fd, signals, inherited > 0);
	server->stops = true;
	MHD_stop_daemon(server->daemon);
	found_drop(server->found);
	return CLI_OK;
}
