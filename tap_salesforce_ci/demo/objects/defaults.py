"""
What Salesforce says of a field or an object unless there is something to add.

The attributes are those of DescribeSObjectResult:
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_describesobjects_describesobjectresult.htm
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD: Mapping[str, Any] = {
    "aggregatable": True,
    "aiPredictionField": False,
    "autoNumber": False,
    "byteLength": 0,
    "calculated": False,
    "calculatedFormula": None,
    "cascadeDelete": False,
    "caseSensitive": False,
    "compoundFieldName": None,
    "controllerName": None,
    "createable": True,
    "custom": False,
    "defaultValue": None,
    "defaultValueFormula": None,
    "defaultedOnCreate": False,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "digits": 0,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "externalId": False,
    "extraTypeInfo": None,
    "filterable": True,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "groupable": True,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "idLookup": False,
    "inlineHelpText": None,
    "label": None,
    "length": 0,
    "mask": None,
    "maskType": None,
    "name": None,
    "nameField": False,
    "namePointing": False,
    "nillable": True,
    "permissionable": True,
    "picklistValues": [],
    "polymorphicForeignKey": False,
    "precision": 0,
    "queryByDistance": False,
    "referenceTargetField": None,
    "referenceTo": [],
    "relationshipName": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "restrictedPicklist": False,
    "scale": 0,
    "searchPrefilterable": False,
    "soapType": "xsd:string",
    "sortable": True,
    "type": None,
    "unique": False,
    "updateable": True,
    "writeRequiresMasterRead": False,
}
"""An ordinary editable field, in the key order of a describe since v52."""

FIXED = {"createable": False, "updateable": False, "permissionable": False}
REQUIRED = {"nillable": False, "permissionable": False}
DERIVED = {"createable": False, "updateable": False}
COMPUTED = {**DERIVED, "calculated": True}
COMPOUND = {
    "aggregatable": False,
    "createable": False,
    "groupable": False,
    "queryByDistance": True,
    "sortable": False,
    "updateable": False,
}
UNSEARCHABLE = {"aggregatable": False, "filterable": False, "groupable": False, "sortable": False}
NUMBER = {"groupable": False, "precision": 18, "soapType": "xsd:double"}
KEY = {"length": 18, "soapType": "tns:ID"}

TYPES: Mapping[str, Mapping[str, Any]] = {
    "id": {**KEY, **FIXED, "defaultedOnCreate": True, "idLookup": True, "nillable": False},
    "reference": KEY,
    "string": {"length": 255},
    "picklist": {"length": 40},
    "multipicklist": {"aggregatable": False, "groupable": False, "length": 4099, "sortable": False},
    "combobox": {"groupable": False, "length": 255, "permissionable": False},
    "base64": {**UNSEARCHABLE, "permissionable": False, "soapType": "xsd:base64Binary"},
    "boolean": {
        "aggregatable": False,
        "defaultValue": False,
        "defaultedOnCreate": True,
        "nillable": False,
        "soapType": "xsd:boolean",
    },
    "currency": NUMBER,
    "textarea": {"extraTypeInfo": "plaintextarea", "length": 255},
    "int": {"digits": 8, "soapType": "xsd:int"},
    "long": {"digits": 18, "soapType": "xsd:long"},
    "double": NUMBER,
    "percent": NUMBER,
    "phone": {"length": 40},
    "date": {"soapType": "xsd:date"},
    "datetime": {"groupable": False, "soapType": "xsd:dateTime"},
    "time": {"aggregatable": False, "groupable": False, "soapType": "xsd:time"},
    "url": {"length": 255},
    "email": {"length": 80},
    "encryptedstring": {
        **UNSEARCHABLE,
        "encrypted": True,
        "length": 175,
        "mask": "*",
        "maskType": "lastFour",
    },
    "datacategorygroupreference": {"length": 80},
    "address": {**COMPOUND, "soapType": "urn:address"},
    "location": {**COMPOUND, "soapType": "urn:location"},
    "anyType": {**FIXED, **UNSEARCHABLE, "soapType": "xsd:anyType"},
    "complexvalue": {**UNSEARCHABLE, "soapType": "urn:complexvalue"},
    "json": {**UNSEARCHABLE, "soapType": "urn:json"},
    "junctionidlist": {**UNSEARCHABLE, "soapType": "urn:JunctionIdListNames"},
}
"""What each type changes; a type missing here is one that Salesforce has yet to invent, and is plain."""

TRAITS: Mapping[str, Mapping[str, Any]] = {
    "fixed": FIXED,
    "required": REQUIRED,
    "defaulted": {"defaultedOnCreate": True},
    "universal": {"permissionable": False},
    "derived": DERIVED,
    "unfiltered": {"filterable": False, "sortable": False},
    "formula": COMPUTED,
    "summary": COMPUTED,
    "auto_number": {**FIXED, "autoNumber": True, "defaultedOnCreate": True, "nillable": False},
    "name": {"nameField": True},
    "long": {**UNSEARCHABLE, "length": 32000},
    "rich": {**UNSEARCHABLE, "extraTypeInfo": "richtextarea", "htmlFormatted": True, "length": 32768},
    "lookup": {"searchPrefilterable": True},
    "polymorphic": {"namePointing": True, "polymorphicForeignKey": True},
    "limited": {"restrictedPicklist": True},
}
"""The words that a page uses for the attributes which travel together."""

OBJECT: Mapping[str, Any] = {
    "actionOverrides": [],
    "activateable": False,
    "associateEntityType": None,
    "associateParentEntity": None,
    "childRelationships": [],
    "compactLayoutable": True,
    "createable": True,
    "custom": False,
    "customSetting": False,
    "deepCloneable": False,
    "defaultImplementation": None,
    "deletable": True,
    "deprecatedAndHidden": False,
    "extendedBy": None,
    "extendsInterfaces": None,
    "feedEnabled": False,
    "fields": [],
    "hasSubtypes": False,
    "implementedBy": None,
    "implementsInterfaces": None,
    "isInterface": False,
    "isSubtype": False,
    "keyPrefix": None,
    "label": None,
    "labelPlural": None,
    "layoutable": True,
    "listviewable": None,
    "lookupLayoutable": None,
    "mergeable": False,
    "mruEnabled": True,
    "name": None,
    "namedLayoutInfos": [],
    "networkScopeFieldName": None,
    "queryable": True,
    "recordTypeInfos": [],
    "replicateable": True,
    "retrieveable": True,
    "searchLayoutable": True,
    "searchable": True,
    "sobjectDescribeOption": "FULL",
    "supportedScopes": [],
    "triggerable": True,
    "undeletable": True,
    "updateable": True,
    "urls": {},
}
"""An ordinary business object, in the key order of a describe since v52."""

STAMP = {"type": "datetime", "is": "fixed required defaulted"}
PERSON = {"type": "reference", "to": ["User"], "is": "fixed required defaulted"}
GLANCE = {"type": "datetime", "is": "fixed"}

COMMON: Mapping[str, Mapping[str, Any]] = {
    "IsDeleted": {"label": "Deleted", "type": "boolean", "is": "fixed"},
    "OwnerId": {**PERSON, "label": "Owner ID", "is": "required defaulted"},
    "CreatedDate": {**STAMP, "label": "Created Date"},
    "CreatedById": {**PERSON, "label": "Created By ID"},
    "LastModifiedDate": {**STAMP, "label": "Last Modified Date"},
    "LastModifiedById": {**PERSON, "label": "Last Modified By ID"},
    "SystemModstamp": {**STAMP, "label": "System Modstamp"},
    "LastActivityDate": {"label": "Last Activity", "type": "date", "is": "fixed"},
    "LastViewedDate": {**GLANCE, "label": "Last Viewed Date"},
    "LastReferencedDate": {**GLANCE, "label": "Last Referenced Date"},
}
"""The fields that most objects have, which a page asks for by name alone."""
