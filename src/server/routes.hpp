/// The routes by what they are about. Each function adds its own; earlier routes win.
#pragma once

#include <vector>

#include "server/router.hpp"

namespace hotwell::server {

class EventFeed;
class Tokens;

void add_media_routes(std::vector<Route>& routes);
void add_cache_routes(std::vector<Route>& routes);
void add_job_routes(std::vector<Route>& routes);
/// Why a job went as it did, or what became of a cache key.
void add_explain_routes(std::vector<Route>& routes);
/// Alerts, silences, channels.
void add_alert_routes(std::vector<Route>& routes);
/// Probes, metrics, knobs, operations.
void add_status_routes(std::vector<Route>& routes);
/// The page at / and its files.
void add_page_routes(std::vector<Route>& routes);
/// `feed` must outlive the routes.
void add_event_routes(std::vector<Route>& routes, EventFeed& feed);
/// Sign-in and sign-out. `tokens` must outlive the routes.
void add_session_routes(std::vector<Route>& routes, const Tokens& tokens);

}  // namespace hotwell::server
