"""
The SOAP API's login(), up to the last version that has it.

https://help.salesforce.com/s/articleView?id=005132110
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tap_salesforce_ci.demo.exchange import Exchange
from tap_salesforce_ci.demo.grants import SESSION_LIFE
from tap_salesforce_ci.demo.versions import OLDEST
from tap_salesforce_ci.demo.wire import Response

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.grants import User

LAST_WITH_LOGIN = 64
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" {namespaces}>'
    "<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
)
_ANSWER = (
    "<loginResponse><result><metadataServerUrl>{url}/services/Soap/m/{version}/{org}</metadataServerUrl>"
    "<passwordExpired>false</passwordExpired><sandbox>false</sandbox>"
    "<serverUrl>{url}/services/Soap/u/{version}/{org}</serverUrl><sessionId>{token}</sessionId>"
    "<userId>{user}</userId><userInfo><organizationId>{organization}</organizationId>"
    "<organizationName>{name}</organizationName><sessionSecondsValid>{seconds}</sessionSecondsValid>"
    "<userEmail>{email}</userEmail><userFullName>{full_name}</userFullName><userId>{user}</userId>"
    "<userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>{email}</userName>"
    "<userTimeZone>America/Los_Angeles</userTimeZone><userType>Standard</userType></userInfo></result></loginResponse>"
)
_FAULT = (
    "<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{text}</faultstring><detail>"
    '<sf:{kind} xsi:type="sf:{kind}"><sf:exceptionCode>{code}</sf:exceptionCode>'
    "<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{kind}></detail></soapenv:Fault>"
)


def login(exchange: Exchange) -> Response:
    """A session for a username, password and security token."""
    number = int(exchange.version.partition(".")[0])
    if number < OLDEST:
        return _fault("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL", "UnexpectedErrorFault")
    text = exchange.request.body.decode("utf-8", "replace")
    username, password = _element(text, "username"), _element(text, "password")
    if number > LAST_WITH_LOGIN or username is None or password is None:
        return _fault("INVALID_OPERATION", "The login() operation is not available in this API version.", "ApiFault")
    user = exchange.org.users.get(username)
    if user is None or not user.active or password != user.password + user.security_token:
        message = "Invalid username, password, security token; or user locked out."
        return _fault("INVALID_LOGIN", message, "LoginFault")
    return _welcome(exchange, user)


def _welcome(exchange: Exchange, user: User) -> Response:
    org = exchange.org
    session = org.grants.open(user, None)
    body = _ANSWER.format(
        url=escape(org.instance_url),
        version=exchange.version,
        org=org.id[:15],
        organization=org.id,
        name=escape(org.name),
        token=escape(session.token),
        user=user.id,
        email=escape(user.username),
        full_name=escape(user.name),
        seconds=int(SESSION_LIFE.total_seconds()),
    )
    namespaces = 'xmlns="urn:partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    return _xml(200, _ENVELOPE.format(namespaces=namespaces, body=body))


def _fault(code: str, message: str, kind: str) -> Response:
    told = f"{code}: {message}"
    body = _FAULT.format(code=code, text=escape(told), message=escape(told), kind=kind)
    namespaces = 'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    return _xml(500, _ENVELOPE.format(namespaces=namespaces, body=body))


def _xml(status: int, text: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/xml;charset=UTF-8"})


def _element(text: str, name: str) -> str | None:
    found = re.search(rf"<(?:\w+:)?{name}>(.*?)</(?:\w+:)?{name}>", text, re.DOTALL)
    return unescape(found[1]) if found else None
